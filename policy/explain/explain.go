package explain

import (
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// Policies are those to explain. It is safe for concurrent use.
type Policies struct {
	Set *policy.Set
	// NoTrip says who decides about a request in Envoy's profile no-trip; nil means that
	// reports do not say that.
	NoTrip func(*policy.Request) (NoTrip, error)
}

// Explain answers q. The error says what cannot be understood in the question. The time
// grows with the number of policies and of the chosen policy's origins: some seconds for
// a million.
func (ps Policies) Explain(q Question) (Report, error) {
	a, err := read(q)
	if err != nil {
		return Report{}, err
	}
	if a.Credentials == Unknown {
		r := ps.bothWays(q, a)
		return r, ps.sayNoTrip(&r)
	}
	r := ps.report(q, a)
	r.hearRecording()
	return r, ps.sayNoTrip(&r)
}

// sayNoTrip says for each request that is sent who decides about it.
func (ps Policies) sayNoTrip(r *Report) error {
	for _, e := range []*Exchange{r.Preflight, r.Request} {
		if e == nil || ps.NoTrip == nil {
			continue
		}
		by, err := ps.NoTrip(&e.request)
		if err != nil {
			return err
		}
		e.NoTrip = &by
	}
	return nil
}

// report answers a question about one credentials mode.
func (ps Policies) report(q Question, a asked) Report {
	r := Report{Question: a.Question}
	r.Policy = ps.choice(a)
	trips := runAll(ps.Set, a)
	t := trips.telling()
	r.Before, r.Preflight, r.Request = t.plan.Steps, t.preflight, t.request
	r.Shadow = t.shadow
	s := ps.spec(r.Policy.Name)
	r.Allowed, r.Undecided, r.Because, r.Engines = t.allowed, t.undecided, trips.because(a, s), trips.verdicts(a)
	r.Notes = slices.Concat(a.Notes, notes(q, a, t))
	switch {
	case s == nil:
		r.Cause = t.causeWithoutPolicy(a)
	case a.Mode != Navigate:
		r.Origin = originReport(s, a.Origin)
		r.Cause = t.cause(s, r.Origin)
	}
	if t.isAmbiguous() {
		r.Cause = ambiguousCause(a, r.Policy)
		return r
	}
	switch {
	case r.Allowed:
	case a.Mode == Navigate:
		r.Cause = navigationCause(a)
		r.Remedy = ps.letPass(a, r.Policy.Name)
	default:
		r.Remedy = ps.remedy(a, t, r.Origin)
	}
	r.hearHandshake()
	return r
}

// spec returns the spec of that name, or nil.
func (ps Policies) spec(name string) *policy.Spec {
	specs := ps.Set.Specs()
	for i := range specs {
		if name != "" && specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

// isAmbiguous reports whether the request is denied for the spelling of its path.
func (t *trip) isAmbiguous() bool {
	last := t.last()
	return !t.allowed && last != nil && last.Reason == policy.ReasonPathAmbiguous.String()
}
