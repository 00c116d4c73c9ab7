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

// Reads reports whether the page may read the answer, as a browser decides it, and the
// names of the headers of the application that it sees then, which begin with "x-".
func (p Page) Reads(send Send) (allowed bool, seen []string) {
	plan := browser.MakePlan(p.Request)
	if plan.Refused != "" {
		return false, nil
	}
	if plan.Preflight {
		if v := plan.CheckPreflight(send("OPTIONS", p.Host, p.Path, plan.PreflightHeaders())); v.Blocked {
			return false, nil
		}
	}
	headers := append(browser.Headers{{Name: "Origin", Value: p.Origin}}, plan.Headers...)
	answer := send(plan.Method, p.Host, p.Path, headers)
	if v := plan.CheckResponse(answer); v.Blocked {
		return false, nil
	}
	visible, _ := plan.Readable(answer)
	for _, h := range visible {
		if name := strings.ToLower(h.Name); strings.HasPrefix(name, "x-") {
			seen = append(seen, name)
		}
	}
	slices.Sort(seen)
	return true, slices.Compact(seen)
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
