package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestParseOriginAcceptsWhatBrowsersSend(t *testing.T) {
	for in, want := range map[string]Origin{
		"https://example.com":                 {"https", "example.com", 0},
		"http://example.com":                  {"http", "example.com", 0},
		"https://a.b.example.com:8443":        {"https", "a.b.example.com", 8443},
		"http://localhost:1":                  {"http", "localhost", 1},
		"http://localhost:65535":              {"http", "localhost", 65535},
		"https://example.com:80":              {"https", "example.com", 80},
		"http://example.com:443":              {"http", "example.com", 443},
		"https://a_b.example.com":             {"https", "a_b.example.com", 0},
		"https://example.com.":                {"https", "example.com.", 0},
		"https://xn--r8jz45g.example.com":     {"https", "xn--r8jz45g.example.com", 0},
		"https://r3---sn-x.example.com":       {"https", "r3---sn-x.example.com", 0},
		"http://127.0.0.1:3000":               {"http", "127.0.0.1", 3000},
		"https://[2001:db8::1]:8443":          {"https", "[2001:db8::1]", 8443},
		"https://[::1]":                       {"https", "[::1]", 0},
		"chrome-extension://abcdefghijklmnop": {"chrome-extension", "abcdefghijklmnop", 0},
		"capacitor://localhost":               {"capacitor", "localhost", 0},
		"https://single":                      {"https", "single", 0},
		"https://1e100.net":                   {"https", "1e100.net", 0},
		"https://-a.b-.example.com":           {"https", "-a.b-.example.com", 0},
		"http://[::ffff:7f00:1]:8080":         {"http", "[::ffff:7f00:1]", 8080},
	} {
		got, err := ParseOrigin(in)
		if err != nil || got != want {
			t.Errorf("ParseOrigin(%q) = %+v, %v; want %+v", in, got, err, want)
		}
		if got.String() != in {
			t.Errorf("ParseOrigin(%q).String() = %q", in, got.String())
		}
	}
}

// appOrigins are what web views and extensions send.
var appOrigins = []string{
	"app://.", "app://-", "app://obsidian.md", "file://", "content://", "content://com.example.app.files", "capacitor://localhost",
	"ionic://localhost", "tauri://localhost", "ms-appx://38B1D2E6-5C1F-4A8E-9A51-6E1B3C1F4D22", "ms-appx-web://Contoso.App_8wekyb3d8bbwe",
	"applewebdata://0F9A1C2E-7B64-4E21-A3D5-5A4B3C2D1E0F", "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
	"moz-extension://6f1c9d1e-8c2b-4b62-9d3a-1f2e3d4c5b6a", "safari-web-extension://6F1C9D1E-8C2B-4B62-9D3A-1F2E3D4C5B6A",
	"vscode-webview://1qd8hm5lqe8ep1c0vn3m0jvfj5q5q1q0", "vscode-file://vscode-app", "vscode-remote://ssh-remote+web_1", "devtools://devtools",
	"iframe://", "resource://pdf.js", "qrc://", "cef://..", "cef://LocalHost:8080", "app://a%20b", "app://127.1", "app://[::1]:8080",
}

func TestParseOriginKeepsWhatAppsSend(t *testing.T) {
	for _, in := range appOrigins {
		o, err := ParseOrigin(in)
		if err != nil || o.String() != in {
			t.Errorf("ParseOrigin(%q) = %+v, %v", in, o, err)
		}
		p, err := ParsePattern(in)
		if err != nil || p.String() != in || !p.Matches(o) || p.Hostile() != in {
			t.Errorf("ParsePattern(%q) = %+v, %v", in, p, err)
		}
	}
}

func TestParseOriginRefusesEverythingElse(t *testing.T) {
	label := strings.Repeat("a", maxLabelLen)
	for _, in := range []string{
		"", "null", "NULL", "*", "https://", "https:", "://example.com", "example.com", "//example.com",
		"https://example.com/", "https://example.com/x", "https://example.com?q", "https://example.com#f",
		"HTTPS://example.com", "https://Example.com", " https://example.com", "https://example.com ",
		"https://example.com,https://evil.test", "https://example.com, https://example.com",
		"https://user@example.com", "https://user:pass@example.com",
		"https://.example.com", "https://a..example.com", "https://example.com..", "https://.",
		"https://*.example.com", "https://ex%61mple.com", "https://example.com%60.evil.test", "https://example.com{.evil.test",
		"https://x\"><b.example.com", "https://x\x7f.example.com", "https://例え.example.com", "https://a b.example.com",
		"https://example.com:", "https://example.com:0", "https://example.com:080", "https://example.com:65536",
		"https://example.com:99999999999999999999", "https://example.com:80a", "https://example.com:-1", "https://example.com:*",
		"https://example.com:443", "http://example.com:80", "ws://example.com:80", "wss://example.com:443",
		"http://127.1", "http://0x7f000001", "http://2130706433", "http://127.0.0.01", "http://1.2.3.256", "http://foo.bar.255", "http://a.0x1f", "http://1",
		"http://127.0.0.1.", "https://[2001:DB8::1]", "https://[2001:db8:0::1]", "https://[2001:db8::1", "https://2001:db8::1", "https://[::1%25eth0]",
		"https://[::ffff:1.2.3.4]", "https://[example.com]", "https://[]", "https://[::1]x", "https://[::1]:", "https://[::1]]", "https://[1.2.3.4]",
		"1https://example.com", "ht_tps://example.com", "https//example.com", "https:/example.com",
		"https://" + label + "a.com", "https://" + strings.Repeat("a.", 127) + "aa", strings.Repeat("a", 65) + "://example.com",
		"https://" + strings.Repeat("a.", 4096) + "example.com",
		"app:", "app:/", "app:///", "file:///", "app://./", "app://a/b", "app://?", "app://#", "app://a b", "app:// ", "app://a,b", "app://a,app://b",
		"app://*", "app://\"", "app://'a'", "app://`", "app://u@a", "app://a:", "app://a:0", "app://a:65536", "app://a:b", "app://<b>", "app://a|b", "app://a\\b",
		"app://^a", "app://[::1", "app://[a]", "app://é", "app://\x7f", "app://\x00", "App://.", "APP://.", "_app://.", "://.", "app://${x}", "app://(a)", "app://a;b",
		"http://.", "https://..", "https://", "ws://.", "ftp://", "https://ABC", "app://" + strings.Repeat("a", maxHostLen+2),
	} {
		if o, err := ParseOrigin(in); err == nil {
			t.Errorf("ParseOrigin(%q) = %+v, want an error", in, o)
		}
	}
}

func TestParseOriginAcceptsTheLongestOrigin(t *testing.T) {
	label := strings.Repeat("a", maxLabelLen)
	host := strings.Join([]string{label, label, label, label[:61]}, ".")
	longest := strings.Repeat("s", maxSchemeLen) + "://" + host + ".:65535"
	if len(host) != maxHostLen || len(longest) != maxOriginLen {
		t.Fatalf("host has %d bytes, origin %d; want %d and %d", len(host), len(longest), maxHostLen, maxOriginLen)
	}
	if _, err := ParseOrigin(longest); err != nil {
		t.Errorf("the longest origin is refused: %v", err)
	}
}

// FuzzParseOrigin holds the parser to what it promises: an origin is written
// back byte for byte and has only bytes that an origin may have.
func FuzzParseOrigin(f *testing.F) {
	for _, s := range []string{"https://example.com", "http://localhost:3000", "https://[2001:db8::1]:8443", "http://127.0.0.1", "null", "https://a..b", "https://a.b.", "x://y:1", "app://.", "file://", "app://A~b:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			return
		}
		if o.String() != s {
			t.Errorf("ParseOrigin(%q).String() = %q", s, o.String())
		}
		web := slices.Contains([]string{"http", "https", "ws", "wss", "ftp"}, o.Scheme)
		for _, c := range []byte(o.Host) {
			if web && !isLabelByte(c) && !strings.ContainsRune(":.[]", rune(c)) || c <= ' ' || c >= 0x7f || strings.ContainsRune("/?#@\\*,\"'<>", rune(c)) {
				t.Errorf("ParseOrigin(%q) let the byte %q through", s, c)
			}
		}
		if o.Port == defaultPort(o.Scheme) && o.Port != 0 {
			t.Errorf("ParseOrigin(%q) let a default port through", s)
		}
	})
}
