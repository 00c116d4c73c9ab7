package addr_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/addr"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       addr.Address
	}{
		{"an IPv4 address", "127.0.0.1:9001", addr.Address{Host: "127.0.0.1", Port: 9001}},
		{"an IPv6 address", "[::1]:9001", addr.Address{Host: "::1", Port: 9001}},
		{"an IPv6 address with a zone", "[fe80::1%eth0]:1", addr.Address{Host: "fe80::1%eth0", Port: 1}},
		{"a name", "corsgate.example:65535", addr.Address{Host: "corsgate.example", Port: 65535}},
		{"any port", "localhost:0", addr.Address{Host: "localhost"}},
		{"a port of every address", ":9001", addr.Address{Port: 9001}},
		{"a Unix socket", "unix:///run/corsgate.sock", addr.Address{Path: "/run/corsgate.sock"}},
		{"an abstract socket", "unix://@corsgate", addr.Address{Path: "@corsgate"}},
		{"a Unix socket with a name of its own", "unix:///run/bücher 1.sock", addr.Address{Path: "/run/bücher 1.sock"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := addr.Parse(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
			if unix := strings.HasPrefix(c.text, addr.Unix); (got.Network() == "unix") != unix {
				t.Errorf("network %q", got.Network())
			}
		})
	}
}

func TestParseSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "write HOST:PORT or unix:///PATH"},
		{"a host alone", "127.0.0.1", "write HOST:PORT or unix:///PATH"},
		{"a port alone", "9001", "write HOST:PORT or unix:///PATH"},
		{"a path alone", "/run/corsgate.sock", "write HOST:PORT or unix:///PATH"},
		{"a URL", "http://127.0.0.1:9001", "write HOST:PORT or unix:///PATH"},
		{"a socket without slashes", "unix:/run/corsgate.sock", "write unix:///run/corsgate.sock"},
		{"a relative socket", "unix://corsgate.sock", "has no absolute path: write unix:///PATH"},
		{"an abstract socket without a name", "unix://@", "has no absolute path: write unix:///PATH"},
		{"a port by name", "127.0.0.1:http", "has no port from 0 to 65535"},
		{"a port out of range", "127.0.0.1:65536", "has no port from 0 to 65535"},
		{"no port", "127.0.0.1:", "has no port from 0 to 65535"},
		{"a socket that no terminal may see", "unix:///run/\x1b[2J.sock", "choose another address"},
		{"a zone that no terminal may see", "[fe80::1%\u202e]:1", "choose another address"},
		{"a text that is not a host", "no host:9001", "has no host: write an IP address or a host name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := addr.Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestIsLoopback(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1:9002":          true,
		"127.9.8.7:9002":          true,
		"[::1]:9002":              true,
		"[::ffff:127.0.0.1]:9002": true,
		"localhost:9002":          true,
		":9002":                   false,
		"0.0.0.0:9002":            false,
		"[::]:9002":               false,
		"10.0.0.1:9002":           false,
		"localhost.example:9002":  false,
		"127.0.0.1.example:9002":  false,
		"unix:///run/admin.sock":  false,
	} {
		a, err := addr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.IsLoopback(); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}
