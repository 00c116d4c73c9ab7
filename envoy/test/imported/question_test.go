package imported

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/policy/browser"
)

// question is what a page asks a server for.
type question struct{ importertest.Page }

func (q question) String() string {
	return fmt.Sprintf("%s http://%s%s from %s with %v, credentials %s", q.Method, q.Host, q.Path, q.Origin, q.Headers, q.Credentials)
}

// question makes up one, mostly for one of the domains.
func (r random) question(domains []string) (q question) {
	q.Host = pick(r, "a.example", "b.example", "x.a.example", "y.x.a.example", "x-eu.a.example", "c.example", "d.c.example", "other.example")
	q.Path = pick(r, "/", "/a", "/a/", "/A", "/a/b", "/a/b/c", "/ab", "/c", "/c/d", "/17", "/a/b?v=1", "/z")
	if !r.oneIn(4) {
		q.Host = strings.Replace(strings.Replace(pick(r, domains...), "*.", "y.x.", 1), "*", "other.example", 1)
	}
	q.Request = browser.Request{
		Engine: browser.Firefox,
		Origin: pick(r, "https://app.example", "https://app.example", "https://app.example", "http://app.example", "https://app.example:8443", "https://www.app.example", "https://a.b.app.example",
			"https://evilapp.example", "https://app.example.evil.example", "https://appxexample", "null", "http://localhost:3000", "http://localhost", "https://attacker.example", "capacitor://localhost"),
		Target:      "http://" + q.Host,
		Method:      pick(r, "GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"),
		Credentials: pick(r, browser.Omit, browser.Include),
	}
	for _, name := range some(r, 2, "x-a", "x-b", "authorization", "x-beta", "x-unknown") {
		q.Headers = append(q.Headers, browser.Header{Name: name, Value: "1"})
	}
	slices.SortFunc(q.Headers, func(a, b browser.Header) int { return strings.Compare(a.Name, b.Name) })
	return q
}
