package imported

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
)

// question is what a page asks a server for.
type question struct {
	host, path string
	browser.Request
}

func (q question) String() string {
	return fmt.Sprintf("%s http://%s%s from %s with %v, credentials %s", q.Method, q.host, q.path, q.Origin, q.Headers, q.Credentials)
}

// question makes up one, mostly for one of the domains.
func (r random) question(domains []string) question {
	q := question{
		host: pick(r, "a.example", "b.example", "x.a.example", "y.x.a.example", "x-eu.a.example", "c.example", "d.c.example", "other.example"),
		path: pick(r, "/", "/a", "/a/", "/A", "/a/b", "/a/b/c", "/ab", "/c", "/c/d", "/17", "/a/b?v=1", "/z"),
	}
	if !r.oneIn(4) {
		q.host = strings.Replace(strings.Replace(pick(r, domains...), "*.", "y.x.", 1), "*", "other.example", 1)
	}
	q.Request = browser.Request{
		Engine: browser.Firefox, // all by the standard
		Origin: pick(r, "https://app.example", "https://app.example", "https://app.example", "http://app.example", "https://app.example:8443", "https://www.app.example", "https://a.b.app.example", "https://evilapp.example",
			"https://app.example.evil.example", "https://appxexample", "null", "http://localhost:3000", "http://localhost", "https://attacker.example", "capacitor://localhost"),
		Target:      "http://" + q.host,
		Method:      pick(r, "GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"),
		Credentials: pick(r, browser.Omit, browser.Include),
	}
	for _, name := range some(r, 2, "x-a", "x-a", "x-b", "authorization", "x-beta", "x-unknown") {
		q.Headers = append(q.Headers, browser.Header{Name: name, Value: "1"})
	}
	slices.SortFunc(q.Headers, func(a, b browser.Header) int { return strings.Compare(a.Name, b.Name) })
	return q
}

// outcome is what a page gets.
type outcome struct {
	sent, read bool // the request reached the server, and the page sees the answer
	exposed    string
	maxAge     string
}

// server answers a request of the given method with these headers besides Origin.
type server func(q question, method string, headers browser.Headers) browser.Response

// ask does what a browser does for q.
func ask(s server, q question) (o outcome) {
	plan := browser.MakePlan(q.Request)
	if plan.Preflight {
		answer := s(q, "OPTIONS", plan.PreflightHeaders())
		if plan.CheckPreflight(answer).Blocked {
			return o
		}
		o.maxAge = secondsOf(answer.Headers)
	}
	o.sent = true
	headers := append(browser.Headers{{Name: "Origin", Value: q.Origin}}, plan.Headers...)
	answer := s(q, plan.Method, headers)
	if o.read = !plan.CheckResponse(answer).Blocked; !o.read {
		return o
	}
	for _, name := range []string{"x-a", "x-b", "x-total"} {
		answer.Headers = append(answer.Headers, browser.Header{Name: name, Value: "1"})
	}
	seen, _ := plan.Readable(answer)
	for _, h := range seen {
		if _, ours := map[string]bool{"x-a": true, "x-b": true, "x-total": true}[h.Name]; ours {
			o.exposed += h.Name + " "
		}
	}
	return o
}

// secondsOf returns how long a preflight's answer is kept: 5 seconds if the header is not a
// number of seconds (Fetch, #cors-preflight-fetch).
func secondsOf(hs browser.Headers) string {
	value, ok := hs.Get("Access-Control-Max-Age")
	if !ok || value == "" {
		return "5"
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return "5"
		}
	}
	return value
}
