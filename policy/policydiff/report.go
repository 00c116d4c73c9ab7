package policydiff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Kind says what a change does to access.
type Kind string

// The kinds of a change. A change that grants something and takes something away widens
// access.
const (
	Widens  Kind = "widens"  // a page may do what it could not before
	Narrows Kind = "narrows" // a page may no longer do something
	Changes Kind = "changes" // the answer is another one, access is as before
)

// Aspect says what a change is about.
type Aspect string

// The aspects of a change.
const (
	Origins  Aspect = "origins"  // which origins are allowed
	Methods  Aspect = "methods"  // which methods allowed origins may use
	Headers  Aspect = "headers"  // which request headers they may send
	Answers  Aspect = "answers"  // what else allowed origins get, such as credentials
	Denials  Aspect = "denials"  // what denied origins get
	Recorded Aspect = "recorded" // a recorded request
)

// MaxExamples is how many examples a change keeps.
const MaxExamples = 20

// Change is one change that several probes may have found.
type Change struct {
	Kind   Kind   `json:"kind"`
	Aspect Aspect `json:"aspect"`
	// OldPolicy and NewPolicy are the policies that decide, or empty if none does.
	OldPolicy string `json:"oldPolicy"`
	NewPolicy string `json:"newPolicy"`
	// Gained and Lost say what pages may do now and what no longer, in the
	// words of Grants; both are empty for Changes.
	Gained []string `json:"gained"`
	Lost   []string `json:"lost"`
	// Examples are the first MaxExamples of the origins, methods or header
	// names that change, and Count is how many probes found it.
	Examples []string `json:"examples"`
	Count    int      `json:"count"`
	Witness  Witness  `json:"witness"`
}

// Witness is a request that shows a change.
type Witness struct {
	// Policy is the policy that Envoy has to name. It is empty if host and path choose.
	Policy         string `json:"policy,omitempty"`
	Method         string `json:"method"`
	Host           string `json:"host"`
	Path           string `json:"path"`
	Origin         string `json:"origin"`
	RequestMethod  string `json:"requestMethod,omitempty"`
	RequestHeaders string `json:"requestHeaders,omitempty"`
	// OldReason and NewReason are the words of both decisions.
	OldReason string `json:"oldReason"`
	NewReason string `json:"newReason"`
	// Differences are all differences of the second decision from the first.
	Differences policy.Differences `json:"differences"`
}

// Report is what Comparison found.
type Report struct {
	// Changes are sorted: what widens first, then what narrows.
	Changes []Change `json:"changes"`
	// Probes counts the requests that both sets were asked about.
	Probes int `json:"probes"`
	// Bounded says that not all possible probes were made.
	Bounded bool `json:"bounded"`
}

// Widens reports whether any change widens access.
func (r Report) Widens() bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Kind == Widens })
}

// groups collects changes that are alike.
type groups struct {
	byKey map[string]*Change
	all   []*Change
}

// record notes that r, which is an example for aspect, is decided differently.
func (g *groups) record(aspect Aspect, example string, r *policy.Request, old, now *policy.Decision) {
	gained, lost := difference(Grants(old), Grants(now))
	c := Change{
		Kind: kindOf(gained, lost), Aspect: aspect, OldPolicy: old.Policy, NewPolicy: now.Policy,
		Gained: gained, Lost: lost, Witness: witness(r, old, now),
	}
	key := strings.Join([]string{
		string(aspect), old.Policy, now.Policy, strings.Join(gained, ","), strings.Join(lost, ","),
	}, "\n")
	have := g.byKey[key]
	if have == nil {
		have = &c
		g.byKey[key] = have
		g.all = append(g.all, have)
	}
	have.Count++
	if len(have.Examples) < MaxExamples && !slices.Contains(have.Examples, example) {
		have.Examples = append(have.Examples, example)
	}
}

func kindOf(gained, lost []string) Kind {
	switch {
	case len(gained) > 0:
		return Widens
	case len(lost) > 0:
		return Narrows
	}
	return Changes
}

func witness(r *policy.Request, old, now *policy.Decision) Witness {
	return Witness{
		Policy: r.Policy, Method: r.Method, Host: r.Authority, Path: r.Path, Origin: r.Origin,
		RequestMethod: r.RequestMethod, RequestHeaders: r.RequestHeaders,
		OldReason: old.Reason.String(), NewReason: now.Reason.String(), Differences: old.Verdict.Differences(&now.Verdict),
	}
}

// sorted returns the changes, what widens first.
func (g *groups) sorted() []Change {
	order := []Kind{Widens, Narrows, Changes}
	slices.SortStableFunc(g.all, func(a, b *Change) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)),
			strings.Compare(cmp.Or(a.NewPolicy, a.OldPolicy), cmp.Or(b.NewPolicy, b.OldPolicy)),
		)
	})
	changes := make([]Change, len(g.all))
	for i, c := range g.all {
		changes[i] = *c
	}
	return changes
}
