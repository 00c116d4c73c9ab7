package importertest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/respond"
)

// Send sends a request to a host and path, and returns the answer.
type Send func(method, host, path string, headers browser.Headers) browser.Response

// Page is a request of a page.
type Page struct {
	browser.Request
	Host, Path string
}

// Outcome is what a page gets.
type Outcome struct {
	// Sent says that the request itself was sent, and Read that the page may read the answer.
	Sent, Read bool
	// Seen are the names of the headers of the application that the page sees then, which
	// begin with "x-", and MaxAge how long the answer to the preflight is kept, in seconds.
	Seen, MaxAge string
}

// Ask does what a browser does.
func (p Page) Ask(send Send) (o Outcome) {
	plan := browser.MakePlan(p.Request)
	if plan.Refused != "" {
		return o
	}
	if plan.Preflight {
		answer := send("OPTIONS", p.Host, p.Path, plan.PreflightHeaders())
		if plan.CheckPreflight(answer).Blocked {
			return o
		}
		o.MaxAge = maxAge(answer.Headers)
	}
	o.Sent = true
	headers := append(browser.Headers{{Name: "Origin", Value: p.Origin}}, plan.Headers...)
	answer := send(plan.Method, p.Host, p.Path, headers)
	if o.Read = !plan.CheckResponse(answer).Blocked; o.Read {
		o.Seen = seenOf(plan, answer)
	}
	return o
}

// maxAge is 5 seconds if the header is not a number (Fetch, #cors-preflight-fetch).
func maxAge(hs browser.Headers) string {
	value, _ := hs.Get("Access-Control-Max-Age")
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return "5"
	}
	return value
}

func seenOf(plan browser.Plan, answer browser.Response) string {
	visible, _ := plan.Readable(answer)
	var seen []string
	for _, h := range visible {
		if name := strings.ToLower(h.Name); strings.HasPrefix(name, "x-") {
			seen = append(seen, name)
		}
	}
	slices.Sort(seen)
	return strings.Join(slices.Compact(seen), " ")
}

// Reads reports whether the page may read the answer, and the names of the headers of the
// application that it sees then.
func (p Page) Reads(send Send) (allowed bool, seen []string) {
	o := p.Ask(send)
	return o.Read, strings.Fields(o.Seen)
}

// Through returns what sends requests through corsgate, in front of an upstream.
func Through(t *testing.T, policies []policy.Spec, upstream Send) Send {
	t.Helper()
	valid := policyfile.Examine(policies, func(p policy.Problem) {
		if p.Level == policy.Error {
			t.Errorf("an imported policy is refused: %s", p)
		}
	})
	if valid == nil {
		t.FailNow()
	}
	set := policy.Compile(valid)
	return func(method, host, path string, headers browser.Headers) browser.Response {
		get := func(name string) string { value, _ := headers.Get(name); return value }
		d := set.Decide(&policy.Request{
			Method: method, Authority: host, Path: path, Origin: get("Origin"),
			RequestMethod: get("Access-Control-Request-Method"), RequestHeaders: get("Access-Control-Request-Headers"),
		})
		up := respond.Response{Headers: respond.Headers{}}
		if d.Answer.Action != policy.Reply {
			answer := upstream(method, host, path, headers)
			up.Status = answer.Status
			for _, h := range answer.Headers {
				up.Headers[strings.ToLower(h.Name)] = append(up.Headers[strings.ToLower(h.Name)], h.Value)
			}
		}
		got := respond.To(d, up)
		out := browser.Response{Status: got.Status}
		for _, name := range slices.Sorted(maps.Keys(got.Headers)) {
			for _, line := range got.Headers[name] {
				out.Headers = append(out.Headers, browser.Header{Name: name, Value: line})
			}
		}
		return out
	}
}
