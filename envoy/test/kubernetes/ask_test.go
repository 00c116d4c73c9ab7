//go:build linux

package kubernetes

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The origins of the requests.
const (
	known   = "https://app.example.com"
	unknown = "https://evil.example"
)

// native is a host whose route has CORS of its own.
const native = "native.test"

// request is one to an edge.
type request struct {
	method, host, path string
	header             map[string]string
}

// preflight returns what a browser asks before a PUT.
func preflight(host, origin string) request {
	return request{http.MethodOptions, host, "/cart", map[string]string{
		"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type",
	}}
}

// from returns a GET of a page of that origin, or of none.
func from(host, origin string) request {
	r := request{http.MethodGet, host, "/cart", map[string]string{}}
	if origin != "" {
		r.header["Origin"] = origin
	}
	return r
}

// blocked returns what the policies refuse outright.
func blocked(host string) request {
	return request{http.MethodPost, host, "/admin", map[string]string{"Origin": unknown}}
}

// answer is what matters of a response. No answer at all is status 0.
type answer struct {
	status  int
	allowed string // Access-Control-Allow-Origin
	vary    string
	cors    int // how many Access-Control headers there are
}

// varies reports whether caches keep answers apart by their origin.
func (a answer) varies() bool { return strings.Contains(strings.ToLower(a.vary), "origin") }

// ask asks an edge: https:// or http:// and its address.
func ask(t *testing.T, edge string, r request) answer {
	t.Helper()
	scheme, address, _ := strings.Cut(edge, "://")
	req, err := http.NewRequestWithContext(t.Context(), r.method, scheme+"://"+r.host+r.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	a := answer{status: resp.StatusCode, allowed: resp.Header.Get("Access-Control-Allow-Origin"), vary: strings.Join(resp.Header.Values("Vary"), ",")}
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			a.cors++
		}
	}
	return a
}
