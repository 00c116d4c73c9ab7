package denied

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// ambiguousAdvice is the Nearest of a denial for the spelling of a path.
const ambiguousAdvice = "applications may read the path differently, and another policy answers that differently: Envoy's access log has the path, and explain names both policies"

// adviceTime bounds the advice of one list: the rest goes without.
const adviceTime = 2 * time.Second

// List is what was denied, the policies by name.
type List struct {
	Policies []Policy `json:"policies"`
	// Untracked counts the denials of policies that are not listed because too
	// many others are.
	Untracked uint64 `json:"untracked"`
}

// Policy is what a policy denied.
type Policy struct {
	// Policy is its name; empty stands for a name that does not exist.
	Policy string `json:"policy"`
	// Denied counts all its denials, including those of origins that are not listed.
	Denied uint64 `json:"denied"`
	// Origins are the most frequently denied origins, the most frequent first.
	Origins []Origin `json:"origins"`
}

// Origin is a denied origin.
type Origin struct {
	// Origin is the value of Origin. Asked is the denied method or headers, or the policy
	// that Envoy named and that does not exist. Both are written like the origin in
	// Envoy's access log: in quotes, escaped as in Go, at most 256 bytes. If Asked is
	// longer, "..." follows.
	Origin string `json:"origin"`
	Reason string `json:"reason"`
	Asked  string `json:"asked,omitempty"`
	// Count is how often it came, and at most Over too high.
	Count uint64 `json:"count"`
	Over  uint64 `json:"over,omitempty"`
	// First and Last are when it came first and last, as far as that was kept.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Nearest is the nearest entry of the policy. Allow is the line of the policy file
	// that would allow the origin. It is empty for the origin of a stranger.
	Nearest string `json:"nearest,omitempty"`
	Allow   string `json:"allow,omitempty"`
}

// List returns what was denied and still would be.
func (t *Tracker) List() List {
	list := List{Policies: []Policy{}}
	until := time.Now().Add(adviceTime)
	for name, top := range t.snapshot(&list.Untracked) {
		p := Policy{Policy: name, Denied: top.total, Origins: []Origin{}}
		slices.SortFunc(top.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(b.count, a.count), a.compare(&b)) })
		for _, e := range top.entries {
			if o := t.origin(name, e, until); o != nil {
				p.Origins = append(p.Origins, *o)
			}
		}
		list.Policies = append(list.Policies, p)
	}
	slices.SortFunc(list.Policies, func(a, b Policy) int { return cmp.Compare(a.Policy, b.Policy) })
	return list
}

// snapshot returns copies of what is kept, with only entries and total.
func (t *Tracker) snapshot(untracked *uint64) map[string]top {
	t.once.Do(t.setup)
	t.mu.Lock()
	defer t.mu.Unlock()
	*untracked = t.untracked
	copies := make(map[string]top, len(t.byPolicy))
	for name, kept := range t.byPolicy {
		copies[name] = top{total: kept.total, entries: slices.Clone(kept.entries)}
	}
	return copies
}

// origin returns e as people read it, or nil if it is allowed by now. There is advice
// only before until, and only if all of what was asked is known.
func (t *Tracker) origin(name string, e entry, until time.Time) *Origin {
	o := &Origin{
		Origin: strconv.Quote(e.origin), Reason: e.reason.String(), Asked: e.quotedAsked(),
		Count: e.count, Over: e.over, First: e.first.UTC(), Last: e.last.UTC(),
	}
	if e.reason == policy.ReasonPathAmbiguous {
		o.Nearest = ambiguousAdvice // the origin is not the reason
		return o
	}
	if t.Advise == nil || e.clipped || time.Now().After(until) {
		return o
	}
	a := t.Advise(name, e.request())
	if a.Allowed && !e.malformedAsked() {
		return nil
	}
	o.Nearest, o.Allow = a.Nearest, a.Allow
	return o
}

// malformedAsked reports whether a preflight's method or headers were malformed, and not
// its origin. Then no policy allows the preflight, although it may allow what request
// returns, which has neither.
func (e *entry) malformedAsked() bool {
	if e.reason != policy.ReasonPreflightMalformed {
		return false
	}
	_, err := policy.ParseOrigin(e.origin)
	return err == nil
}

// request returns a request that would be denied for the same reason.
func (e *entry) request() *policy.Request {
	r := &policy.Request{Origin: e.origin, Method: "GET"}
	switch e.reason {
	case policy.ReasonPolicyUnknown:
		r.Policy = e.asked
	case policy.ReasonPreflightMethodDenied:
		r.RequestMethod = e.asked
	case policy.ReasonPreflightHeaderDenied:
		r.RequestMethod, r.RequestHeaders = "GET", e.asked
	case policy.ReasonPreflightOriginDenied, policy.ReasonPreflightMalformed:
		r.RequestMethod = "GET"
	}
	if r.RequestMethod != "" {
		r.Method = "OPTIONS"
	}
	return r
}

// compare orders entries by their keys.
func (e *entry) compare(other *entry) int {
	return cmp.Or(cmp.Compare(e.origin, other.origin), cmp.Compare(e.reason, other.reason), cmp.Compare(e.asked, other.asked), cmp.Compare(e.quotedAsked(), other.quotedAsked()))
}

// quotedAsked returns what was asked, as people read it. It is empty if something else
// was denied.
func (e *entry) quotedAsked() string {
	switch {
	case e.asked == "":
		return ""
	case e.clipped:
		return strconv.Quote(e.asked) + "..."
	}
	return strconv.Quote(e.asked)
}
