package policy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParsePatternReadsEachForm(t *testing.T) {
	for in, want := range map[string]Pattern{
		"*":                              {Form: FormAny},
		"null":                           {Form: FormNull},
		"https://example.com":            {Form: FormExact, Scheme: "https", Host: "example.com"},
		"http://ex_am-ple.com:3999":      {Form: FormExact, Scheme: "http", Host: "ex_am-ple.com", Port: 3999},
		"http://localhost:*":             {Form: FormExact, Scheme: "http", Host: "localhost", Port: AnyPort},
		"https://[::1]:90":               {Form: FormExact, Scheme: "https", Host: "[::1]", Port: 90},
		"https://*.example.com":          {Form: FormSubdomain, Scheme: "https", Host: "example.com"},
		"http://*.example.com:*":         {Form: FormSubdomain, Scheme: "http", Host: "example.com", Port: AnyPort},
		"https://app-*.example.com":      {Form: FormLabel, Scheme: "https", Host: "example.com", Prefix: "app-"},
		"https://*-app.example.com:8443": {Form: FormLabel, Scheme: "https", Host: "example.com", Suffix: "-app", Port: 8443},
		"https://a-*-b.example.com":      {Form: FormLabel, Scheme: "https", Host: "example.com", Prefix: "a-", Suffix: "-b"},
		"https://*":                      {Form: FormAnyHost, Scheme: "https"},
		"https://*:8443":                 {Form: FormAnyHost, Scheme: "https", Port: 8443},
		"https://*:*":                    {Form: FormAnyHost, Scheme: "https", Port: AnyPort},
		"moz-extension://a-b-c":          {Form: FormExact, Scheme: "moz-extension", Host: "a-b-c"},
		"app://.":                        {Form: FormExact, Scheme: "app", Host: "."},
		"app://":                         {Form: FormExact, Scheme: "app"},
		"app://.:*":                      {Form: FormExact, Scheme: "app", Host: ".", Port: AnyPort},
		"app://*":                        {Form: FormAnyHost, Scheme: "app"},
		"https://-a.example.com":         {Form: FormExact, Scheme: "https", Host: "-a.example.com"},
	} {
		got, err := ParsePattern(in)
		if err != nil || got != want {
			t.Errorf("ParsePattern(%q) = %+v, %v; want %+v", in, got, err, want)
		}
		if got.String() != in {
			t.Errorf("ParsePattern(%q).String() = %q", in, got.String())
		}
	}
}

func TestParsePatternSaysWhatToWriteInstead(t *testing.T) {
	for in, want := range map[string]struct{ code, hint string }{
		"":                               {"origin-empty", "https://app.example.com"},
		"  ":                             {"origin-empty", "https://app.example.com"},
		" https://a.com":                 {"origin-whitespace", `"https://a.com"`},
		"https://a.test, https://b.test": {"origin-list", `"https://a.test"`},
		"NULL":                           {"origin-case", `"null"`},
		"example.com":                    {"origin-scheme", `"https://example.com"`},
		"//example.com":                  {"origin-scheme", `"https://example.com"`},
		"ab:":                            {"origin-scheme", ""},
		"https://example.com/":           {"origin-trailing-slash", `"https://example.com"`},
		"https://example.com/foo":        {"origin-path", `"https://example.com"`},
		"https://example.com:6060?a=b":   {"origin-path", `"https://example.com:6060"`},
		"https://example.com#f":          {"origin-path", `"https://example.com"`},
		"https://u:p@example.com:6060":   {"origin-userinfo", `"https://example.com:6060"`},
		"https://résumé.com":             {"origin-non-ascii", "xn--"},
		"HTTPS://Example.COM":            {"origin-case", `"https://example.com"`},
		"*://example.com":                {"origin-star", "one by one"},
		"ht_tp://example.com":            {"origin-scheme", ""},
		"https://example.com:443":        {"origin-default-port", `"https://example.com"`},
		"http://example.com:80":          {"origin-default-port", `"http://example.com"`},
		"https://foo:0":                  {"origin-port", "1 to 65535"},
		"https://foo:080":                {"origin-port", "1 to 65535"},
		"https://foo:65536":              {"origin-port", "1 to 65535"},
		"https://foo:abc":                {"origin-port", "1 to 65535"},
		"https://foo:":                   {"origin-port", ""},
		"https://::1:90":                 {"origin-port", ""},
		"https://[::1":                   {"origin-port", "[2001:db8::1]"},
		"https://":                       {"origin-host", "https://app.example.com"},
		"https://fo!o":                   {"origin-label", "https://app.example.com"},
		"https://a..b.com":               {"origin-label", ""},
		"https://" + strings.Repeat("a", 64) + ".com":    {"origin-label", ""},
		"https://" + strings.Repeat("aa.", 90) + "com":   {"origin-host", ""},
		"https://*." + strings.Repeat("aa.", 90) + "com": {"origin-host", ""},
		"http://127.1:3999":                              {"origin-ip", "127.0.0.1"},
		"http://foo.bar.255":                             {"origin-ip", ""},
		"http://1:6060":                                  {"origin-ip", ""},
		"http://[2001:db8:0:0::1]:90":                    {"origin-ip", `"http://[2001:db8::1]:90"`},
		"http://[2001:DB8::1]":                           {"origin-case", `"http://[2001:db8::1]"`},
		"http://*.127.0.0.1":                             {"origin-star", "one by one"},
		"http://**.example.com":                          {"origin-star", `"http://*.example.com"`},
		"https://a.*.com":                                {"origin-star", ""},
		"https://*example.com":                           {"origin-star", ""},
		"https://foo*.example.com":                       {"origin-star", ""},
		"https://*.*.example.com":                        {"origin-star", ""},
		"https://app-*":                                  {"origin-star", ""},
		"wss://app.example.com":                          {"origin-scheme", `"https://app.example.com"`},
		"ws://*.example.com:8080":                        {"origin-scheme", `"http://*.example.com:8080"`},
		"https://-*.example.com":                         {"origin-label", ""},
		"https://*.":                                     {"origin-label", ""},
	} {
		_, err := ParsePattern(in)
		var pe *PatternError
		if !errors.As(err, &pe) {
			t.Errorf("ParsePattern(%q) = %v, want a *PatternError", in, err)
			continue
		}
		if pe.Code != want.code || !strings.Contains(pe.Hint, want.hint) || pe.Value != in || pe.Reason == "" {
			t.Errorf("ParsePattern(%q) = %+v; want code %s, hint with %s", in, pe, want.code, want.hint)
		}
	}
}

// What people and other systems write in place of an origin, and the pattern
// that they mean; empty if that cannot be told.
func TestParsePatternProposesWhatWasMeant(t *testing.T) {
	for in, want := range map[string]string{
		"https:///a.com": "https://a.com", "https:////a.com/x": "https://a.com", "https:/a.com": "https://a.com", "https//a.com": "https://a.com",
		"HTTPS:a.com": "https://a.com", "//a.com/": "https://a.com", "a.com": "https://a.com", "a.com:80": "http://a.com", "a.com:443": "https://a.com",
		"frontend:3000": "https://frontend:3000", "localhost": "http://localhost:*", "localhost/": "http://localhost:*", "127.0.0.1:3000": "http://127.0.0.1:3000",
		"[::1]:3000": "http://[::1]:3000", "foo": "", "::1": "http://[::1]:*",
		"HTTPS://A.com:443/": "https://a.com", "https://u:p@a.com:443/x": "https://a.com", "wss://A.com/": "https://a.com", "http://a.com/#x ": "http://a.com",
		".a.com": "https://*.a.com", "*.a.com:*": "https://*.a.com:*", "https://..a.com": "https://*.a.com", "https://**.a.com/*": "https://*.a.com", "https://*a.com": "",
		"'https://a.com'": "https://a.com", "\"'https://a.com/' \"": "https://a.com", "“https://a.com”": "https://a.com", "`null`": "null", "https://a.com,": "https://a.com",
		"https://a.com\u00a0": "https://a.com", "''": "",
		"any": "*", "All": "*", "**": "*", ".*": "*", "^.*$": "*", "*://*/*": "*", "<all_urls>": "*", "self": "", "'self'": "",
		`^https://a\.com$`: "https://a.com", `/^https:\/\/a\.com$/`: "https://a.com", `~^https://a\.com$`: "https://a.com", `https://.*\.a\.com`: "https://*.a.com",
		`https://app-.*\.a\.com`: "https://app-*.a.com", `http://localhost(:\d+)?`: "http://localhost:*", `^http://localhost:[0-9]+$`: "http://localhost:*", "https://.*": "https://*",
		`https://.*a\.com`: "", "https://(a|b).com": "", "https?://a.com": "", "https://[a-z]+.a.com": "", "http://localhost:300?": "",
		"${ORIGIN}": "", "https://{{ host }}": "", "%ORIGIN%": "", "$ORIGIN": "", "<origin>": "", "https://{tenant}.a.com": "", "app://%HOST%": "",
		"https://a.com https://b.com": "", "https://a.com;https://b.com": "", "a.com|b.com": "", "https://a b.com": "",
		"App://.": "app://.", "Capacitor://LocalHost": "capacitor://LocalHost", "app:///index.html": "app://", "file:///x": "file://", "app://.:0": "",
		"http://[2001:DB8:0::1]": "http://[2001:db8::1]", "https://[::ffff:1.2.3.4]": "https://[::ffff:102:304]", "https://bücher.example/": "",
		strings.Repeat("https://a.com ", 1000): "",
	} {
		_, err := ParsePattern(in)
		bad, ok := errors.AsType[*PatternError](err)
		if !ok {
			t.Errorf("ParsePattern(%q) has no error", clip(in))
			continue
		}
		_, err = ParsePattern(bad.Mended)
		if bad.Mended != want || want != "" && (err != nil || !strings.Contains(bad.Hint, strconv.Quote(want))) {
			t.Errorf("ParsePattern(%q) proposes %q (%s), %v; want %q", clip(in), bad.Mended, bad.Hint, err, want)
		}
	}
}

// naiveMatch is a second reading of the pattern language, by labels and
// without cutting anything that Pattern or originIndex cut.
func naiveMatch(pattern, origin string) bool {
	o, err := ParseOrigin(origin)
	if err != nil {
		return false
	}
	if pattern == "*" {
		return !slices.Contains([]string{"about", "applewebdata", "blob", "content", "data", "file", "filesystem", "javascript"}, o.Scheme)
	}
	scheme, rest, _ := strings.Cut(pattern, "://")
	host, port, hasPort := rest, "", false
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "]") {
		host, port, hasPort = rest[:i], rest[i+1:], true
	}
	if scheme != o.Scheme || port != "*" && hasPort != (o.Port != 0) || hasPort && port != "*" && port != fmt.Sprint(o.Port) {
		return false
	}
	return host == "*" || naiveLabels(strings.Split(host, "."), strings.Split(o.Host, "."))
}

func naiveLabels(want, have []string) bool {
	if want[0] == "*" {
		return len(have) >= len(want) && have[0] != "" && equal(want[1:], have[len(have)-len(want)+1:])
	}
	if len(want) != len(have) || !equal(want[1:], have[1:]) {
		return false
	}
	before, after, star := strings.Cut(want[0], "*")
	if !star {
		return want[0] == have[0]
	}
	inner := len(have[0]) - len(before) - len(after)
	return inner > 0 && strings.HasPrefix(have[0], before) && strings.HasSuffix(have[0], after) &&
		strings.Trim(have[0][len(before):len(before)+inner], "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func equal(a, b []string) bool { return strings.Join(a, ".") == strings.Join(b, ".") }

// checkMatchers compares three readings of the same patterns.
func checkMatchers(t *testing.T, texts []string, origin string) {
	t.Helper()
	x := compileOrigins(&CORS{AllowOrigins: texts})
	o, parseErr := ParseOrigin(origin)
	want, defined := false, false
	for _, text := range texts {
		p, err := ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		want = want || naiveMatch(text, origin)
		defined = defined || parseErr == nil && p.Matches(o)
	}
	if got := x.match(origin) == originAllowed; got != want || defined != want {
		t.Errorf("patterns %q, origin %q: index says %v, Pattern.Matches %v, the naive matcher %v", texts, origin, got, defined, want)
	}
}

func TestMatchersAgreeOnNearMisses(t *testing.T) {
	patterns := []string{
		"https://example.com", "https://*.example.com", "http://localhost:*", "https://*.example.com:8443", "https://app-*.example.com",
		"https://*-app.example.com", "https://a-*-b.example.com", "https://*:8443", "http://*.example.com:*", "https://foo.com", "https://bar.com",
		"https://cat", "https://meerkat", "https://[::1]:*", "https://a-*.example.com:*",
		"*", "app://.", "app://", "app://*", "app://*.b", "app://a-*.b", "app://.:*", "file://", "content://*",
	}
	origins := []string{
		"https://example.com", "https://a.example.com", "https://a.b.example.com", "https://evilexample.com", "https://example.com.evil.test",
		"https://barfoo.com", "http://localhost", "http://localhost:3000", "https://localhost", "http://localhost.evil.test", "https://x.example.com:8443",
		"https://example.com:8443", "https://app-1.example.com", "https://app-.example.com", "https://app-a-b-c.example.com", "https://app-1.x.example.com",
		"https://app1.example.com", "https://app-a_b.example.com", "https://x-app.example.com", "https://-app.example.com", "https://a-b.example.com",
		"https://a--b.example.com", "https://a-x-b.example.com", "https://a-x-b.example.com:1", "https://.example.com", "https://kat", "https://meerkat", "https://[::1]:7", "https://[::1]",
		"http://x.example.com:1", "null", "", "*", "https://a_b-app.example.com", "https://x_-app.example.com", "https://a-x_-b.example.com",
		"app://.", "app://", "app://-", "app://.b", "app://..b", "app://a.b", "app://A.b", "app://a..b", "app://a-.b", "app://a-X.b", "app://a-x.b", "app://a-~.b", "app://.:1",
		"App://.", "app://./", "file://", "file://x", "file:///", "content://", "content://A", "data://", "app2://.",
	}
	for _, p := range patterns {
		for _, q := range patterns {
			for _, o := range origins {
				checkMatchers(t, []string{p, q}, o)
			}
		}
	}
}

func TestMatchersAgreeOnRandomLists(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	labels := []string{"a", "b", "a-b", "a-*", "*-b", "*", "ab", "b-a-b"}
	schemes := []string{"https://", "app://", "file://"}
	appHosts := []string{"", ".", ".b", "A", "a..b", "A-b.b", "a-B.b", "*"}
	host := func() string {
		if r.IntN(4) == 0 {
			return appHosts[r.IntN(len(appHosts))]
		}
		n := 1 + r.IntN(3)
		parts := make([]string, n)
		for i := range parts {
			parts[i] = labels[r.IntN(len(labels))]
		}
		return strings.Join(parts, ".")
	}
	ports := []string{"", ":*", ":1", ":8443"}
	checked := 0
	for checked < 20000 {
		var texts []string
		for range 1 + r.IntN(4) {
			text := schemes[r.IntN(len(schemes))] + host() + ports[r.IntN(len(ports))]
			if _, err := ParsePattern(text); err == nil {
				texts = append(texts, text)
			}
		}
		if r.IntN(8) == 0 {
			texts = append(texts, "*")
		}
		if len(texts) > 0 {
			checkMatchers(t, texts, schemes[r.IntN(len(schemes))]+strings.ReplaceAll(host(), "*", "x-y")+strings.ReplaceAll(ports[r.IntN(len(ports))], "*", "2"))
			checked++
		}
	}
}

// FuzzMatchers: no index accepts an origin that the naive label-by-label
// matcher refuses, and the reverse.
func FuzzMatchers(f *testing.F) {
	f.Add("https://*.example.com", "https://a-*.example.com", "https://a-b.example.com")
	f.Add("http://localhost:*", "https://*", "http://localhost:1")
	f.Add("https://a-*-b.c:1", "*", "https://a--b.c:1")
	f.Add("app://*.b", "app://.", "app://.b")
	f.Add("file://", "*", "file://")
	f.Fuzz(func(t *testing.T, a, b, origin string) {
		var texts []string
		for _, text := range []string{a, b} {
			if p, err := ParsePattern(text); err == nil && p.Form != FormNull {
				texts = append(texts, text)
			}
		}
		checkMatchers(t, texts, origin)
	})
}

func TestCoversMeansThatEveryMemberMatches(t *testing.T) {
	texts := []string{"*", "null", "https://example.com", "https://a.example.com", "https://*.example.com", "https://*.a.example.com", "https://a-*.example.com",
		"https://a-b-*.example.com", "https://*-c.example.com", "https://*", "https://*:*", "https://example.com:*", "https://example.com:1", "http://example.com", "https://a-x.example.com",
		"app://.", "app://*", "app://*.b", "app://.b", "app://a-*.b", "app://a-X.b", "file://", "file://*"}
	members := []string{"https://example.com", "https://a.example.com", "https://b.a.example.com", "https://a-x.example.com", "https://a-b-c.example.com", "https://other.test",
		"https://other.test:9", "https://example.com:1", "http://example.com", "app://.", "app://.b", "app://a-X.b", "file://"}
	covers := 0
	for _, p := range texts {
		for _, q := range texts {
			pp, _ := ParsePattern(p)
			qq, _ := ParsePattern(q)
			if !pp.Covers(qq) {
				continue
			}
			covers++
			for _, m := range members {
				o, _ := ParseOrigin(m)
				if qq.Matches(o) && !pp.Matches(o) {
					t.Errorf("%s covers %s, but only the latter matches %s", p, q, m)
				}
			}
		}
	}
	for _, pair := range [][2]string{{"*", "https://a.example.com"}, {"https://*.example.com", "https://a-*.example.com"}, {"https://a-*.example.com", "https://a-b-*.example.com"},
		{"https://*.example.com", "https://*.a.example.com"}, {"https://example.com:*", "https://example.com:1"}, {"https://*", "https://*.example.com"}} {
		p, _ := ParsePattern(pair[0])
		q, _ := ParsePattern(pair[1])
		if !p.Covers(q) {
			t.Errorf("%s does not cover %s", pair[0], pair[1])
		}
	}
	if covers < len(texts) {
		t.Errorf("only %d pairs cover", covers)
	}
}

// FuzzParsePattern: the short cut for origins reads what the long way reads, a
// pattern is written back as it was, and what is proposed is one.
func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"https://example.com", "https://a-.example.com", "https://-a.test", "file://x", "https://[::1]:8", "https://*.example.com:*", "null", "https://a.", "https://a-.", "http://1.2.3.4", "app://.", "app://A", "App://a", "`\"' ,;' \"`", "^^https?://x$$", "https://https://x", "{{x}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		long, longErr := readPattern(s)
		short, shortErr := ParsePattern(s)
		if short != long || (shortErr == nil) != (longErr == nil) {
			t.Errorf("ParsePattern(%q) = %+v, %v; the long way %+v, %v", s, short, shortErr, long, longErr)
		}
		if shortErr == nil && short.String() != s {
			t.Errorf("ParsePattern(%q).String() = %q", s, short.String())
		}
		if bad, ok := errors.AsType[*PatternError](shortErr); ok && bad.Mended != "" {
			if _, err := ParsePattern(bad.Mended); err != nil {
				t.Errorf("ParsePattern(%q) proposes %q: %v", s, bad.Mended, err)
			}
		}
	})
}
