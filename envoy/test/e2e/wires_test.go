package e2e

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/respond"
)

// sendHTTP1 writes the bytes of the request as they are, the header lines in
// the order of their names.
func sendHTTP1(address string, r cases.Request) (respond.Response, error) {
	return received(raw(address, r.Method, requestText(r)))
}

func requestText(r cases.Request) string {
	var b strings.Builder
	line := func(parts ...string) { b.WriteString(strings.Join(parts, "") + "\r\n") }
	line(r.Method, " ", r.Path, " HTTP/1.1")
	line("host: ", r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		for _, value := range r.Headers[name] {
			line(name, ": ", value)
		}
	}
	if r.Headers["connection"] == nil {
		line("connection: close")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Headers["content-length"] == nil {
		line("content-length: 0")
	}
	line()
	return b.String()
}

// received is what a client gets; it closes the response.
func received(resp *http.Response, err error) (respond.Response, error) {
	if err != nil {
		return respond.Response{}, err
	}
	headers := respond.Headers{}
	for name, lines := range resp.Header {
		headers[strings.ToLower(name)] = lines
	}
	return respond.Response{Status: resp.StatusCode, Headers: headers}, resp.Body.Close()
}

// isHTTP2 tells the requests that HTTP/2 has a form for: it has no headers of
// the connection (RFC 9113, section 8.2.2), and Go's client takes a path for a
// part of a URL.
func isHTTP2(r cases.Request) bool {
	for _, name := range []string{"connection", "upgrade", "te"} {
		if r.Headers[name] != nil {
			return false
		}
	}
	return strings.HasPrefix(r.Path, "/") && !strings.HasPrefix(r.Path, "//")
}

func sendHTTP2(address string, r cases.Request) (respond.Response, error) {
	headers := http.Header{}
	for name, lines := range r.Headers {
		headers[http.CanonicalHeaderKey(name)] = lines
	}
	return received(clients["http/2"].RoundTrip(&http.Request{
		Method: r.Method, Host: r.Host, Header: headers,
		URL: &url.URL{Scheme: "http", Host: address, Opaque: r.Path},
	}))
}
