package admin_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/admin"
)

// TestTheConsoleIsOnlyForItsOwnPages has rebound names and pages of other sites ask.
func TestTheConsoleIsOnlyForItsOwnPages(t *testing.T) {
	h := (&admin.Server{Console: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}).Handler()
	lan := net.IPv4(192, 0, 2, 1)
	for _, c := range []struct {
		name, method, path, host string
		local                    net.IP
		tls                      bool
		header                   string
		want                     int
	}{
		{"by address", "GET", "/console/", "127.0.0.1:9002", net.IPv6loopback, false, "", 418},
		{"by localhost", "GET", "/console/try", "localhost:9002", net.IPv6loopback, false, "", 418},
		{"the root leads there", "GET", "/", "localhost", net.IPv6loopback, false, "", 303},
		{"the root of a rebound name does not", "GET", "/", "evil.example", net.IPv6loopback, false, "", 403},
		{"a rebound name", "GET", "/console/", "evil.example", net.IPv6loopback, false, "", 403},
		{"a rebound name of a local network", "GET", "/console/", "evil.example", lan, false, "", 403},
		{"an address of a local network", "GET", "/console/", "192.0.2.1:9002", lan, false, "", 418},
		{"a name that a certificate vouches for", "GET", "/console/", "edge.example", lan, true, "", 418},
		{"a form of its own", "POST", "/console/try", "localhost", lan, false, "Sec-Fetch-Site: same-origin", 418},
		{"a form of its own in an old browser", "POST", "/console/try", "localhost:9002", lan, false, "Origin: http://localhost:9002", 418},
		{"a form of another site", "POST", "/console/try", "localhost", lan, false, "Sec-Fetch-Site: cross-site", 403},
		{"a form of another port", "POST", "/console/try", "localhost:9002", lan, false, "Sec-Fetch-Site: same-site", 403},
		{"a form of another site in an old browser", "POST", "/console/try", "localhost:9002", lan, false, "Origin: http://localhost:3000", 403},
		{"a form of a sandboxed frame in an old browser", "POST", "/console/try", "localhost:9002", lan, false, "Origin: null", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://"+c.host+c.path, nil)
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: c.local, Port: 9002})))
			if w.Code != c.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, c.want)
			}
		})
	}
}
