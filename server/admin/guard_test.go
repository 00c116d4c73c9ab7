package admin_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/live"
)

func TestLoopbackAnswersToNoNameButItsOwn(t *testing.T) {
	p := newPage(t)
	for _, c := range []struct {
		name, host string
		status     int
	}{
		{"an IPv4 address and port", "127.0.0.1:9002", 200},
		{"an IPv4 address alone", "127.0.0.1", 200},
		{"an IPv6 address and port", "[::1]:9002", 200},
		{"an IPv6 address alone", "[::1]", 200},
		{"another address, of a port that is forwarded", "192.0.2.1:80", 200},
		{"localhost and a port", "localhost:9002", 200},
		{"localhost in capitals", "LOCALHOST", 200},
		{"the name of a page that was given this address", "evil.example", 403},
		{"such a name and the port", "evil.example:9002", 403},
		{"a name that begins as an address does", "127.0.0.1.evil.example", 403},
		{"a name below localhost", "evil.localhost", 403},
		{"a name that begins with localhost", "localhost.evil.example:9002", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, ask := range []struct{ method, path string }{{"GET", "/status"}, {"POST", "/-/reload"}, {"GET", "/healthz"}} {
				status, _, body := p.ask(t, ask.method, ask.path, "Host: "+c.host)
				if status != c.status {
					t.Errorf("%s %s: %d, want %d", ask.method, ask.path, status, c.status)
				}
				if status == 403 && !strings.Contains(body, "ask by IP address") {
					t.Errorf("%s %s: the body does not say what to do: %q", ask.method, ask.path, body)
				}
			}
		})
	}
}

// TestSomeListenersAnswerToEveryName is for those that others may reach on purpose, where a
// page could ask them by their own name as well, and for those whose certificate must have
// the name.
func TestSomeListenersAnswerToEveryName(t *testing.T) {
	s := &admin.Server{Reloader: &live.Reloader{}, Ready: func() bool { return true }}
	for _, c := range []struct {
		url string
		ip  net.IP
	}{
		{"http://corsgate.example/healthz", net.IPv4(192, 0, 2, 1)},
		{"https://corsgate.example/healthz", net.IPv4(127, 0, 0, 1)},
	} {
		r := httptest.NewRequest(http.MethodGet, c.url, nil) // with TLS for https
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: c.ip, Port: 9002})))
		if w.Code != http.StatusOK {
			t.Errorf("%s: got %d %s", c.url, w.Code, w.Body)
		}
	}
}
