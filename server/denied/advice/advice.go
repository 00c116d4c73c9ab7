// Package advice says what to do about an origin that a policy has denied: which entry is
// nearest, and what would allow it.
package advice

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/server/denied"
)

// target stands for the requested URL. Its host does not matter, since the policy is
// given by name.
const target = "https://corsgate.invalid/"

// From returns a denied.Tracker's Advise that uses the set that serves now, which is nil
// before the first one. The time for an answer grows with the policy's origins: about a
// second for a million.
func From(serves func() *policy.Set) func(string, *policy.Request) denied.Advice {
	return func(name string, r *policy.Request) denied.Advice {
		set := serves()
		switch {
		case set == nil, name == "" && r.Policy == "":
			return denied.Advice{}
		case name == "":
			return adviseOnName(set.Specs(), r.Policy)
		}
		if allows(set, name, *r) {
			return denied.Advice{Allowed: true}
		}
		report, err := explain.Policies{Set: enforced(set, name)}.Explain(question(name, r))
		if err != nil {
			return denied.Advice{}
		}
		return denied.Advice{Nearest: nearest(&report), Allow: allowing(&report)}
	}
}

// adviseOnName is for a request for which Envoy named a policy that did not exist. Once
// it exists, its fields decide.
func adviseOnName(specs []policy.Spec, named string) denied.Advice {
	isNamed := func(s policy.Spec) bool { return s.Name == named }
	if slices.ContainsFunc(specs, isNamed) {
		return denied.Advice{Allowed: true}
	}
	return denied.Advice{Nearest: "Envoy names this policy, and no file has it"}
}

// allows reports whether the policy of that name, which may be in shadow, does
// not deny r.
func allows(set *policy.Set, name string, r policy.Request) bool {
	r.Policy = name
	d := set.Decide(&r)
	if d.Shadow.Policy == name {
		return !d.Shadow.Reason.Denies()
	}
	return !d.Reason.Denies()
}

// enforced returns set. If the policy of that name is in shadow, it returns a set with
// only that policy, enforced, since the question is what a page could read then.
func enforced(set *policy.Set, name string) *policy.Set {
	for _, s := range set.Specs() {
		if s.Name != name || s.Mode != policy.ModeShadow {
			continue
		}
		s.Mode = policy.ModeEnforce
		if valid, problems := policy.Validate([]policy.Spec{s}); !problems.HasErrors() {
			return policy.Compile(valid)
		}
	}
	return set
}

func question(name string, r *policy.Request) explain.Question {
	q := explain.Question{Origin: r.Origin, URL: target, Method: r.Method, Policy: name}
	if r.RequestMethod != "" {
		q.Headers = append(q.Headers, browser.Header{Name: "Access-Control-Request-Method", Value: r.RequestMethod})
	}
	if r.RequestHeaders != "" {
		q.Headers = append(q.Headers, browser.Header{Name: "Access-Control-Request-Headers", Value: r.RequestHeaders})
	}
	return q
}

// nearest returns the entry that is nearest to the origin, or else what denied the
// request.
func nearest(r *explain.Report) string {
	if r.Origin == nil || r.Origin.Allowed {
		return r.Cause
	}
	if len(r.Origin.Near) == 0 {
		return ""
	}
	near := r.Origin.Near[0]
	if near.Entry == "" {
		return near.Why
	}
	return near.Entry + ": " + near.Why
}

// allowing returns the line of the policy's cors that would allow the request. It is
// empty for the origin of a stranger, which nobody should allow just because it asked.
func allowing(r *explain.Report) string {
	if r.Remedy == nil || len(r.Remedy.Refused) > 0 || r.Origin.Stranger() {
		return ""
	}
	var lines []string
	for _, c := range r.Remedy.Changes {
		if c.InCORS() && len(c.Add) > 0 {
			lines = append(lines, c.Line(false))
		}
	}
	if r.Remedy.Method != "" && lines != nil {
		lines = append(lines, "and let the page send "+r.Remedy.Method)
	}
	if r.Remedy.Omit != nil && lines != nil {
		lines = append(lines, "and let the page not set "+strings.Join(r.Remedy.Omit, ", "))
	}
	return strings.Join(lines, ", ")
}
