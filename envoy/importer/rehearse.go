package importer

import (
	"reflect"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// rehearse returns enforced policies that are as close to the source as can be, and beside
// them, in shadow, those that o asks for. What happens to the upstream's headers and to
// preflights of unknown origins stays as it is, unless o says otherwise: else every request
// would differ.
func rehearse(o Options, configs []source.Config, known *proofs) Result {
	was := translateAll(Options{Rehearse: true, KeepRegexes: true, Unmatched: policy.UnmatchedForward, Upstream: policy.UpstreamDefer}, configs, known)
	if o.Unmatched == "" {
		o.Unmatched = policy.UnmatchedForward
	}
	if o.Upstream == "" {
		o.Upstream = policy.UpstreamDefer
	}
	next := translateAll(o, configs, known)
	if reflect.DeepEqual(was.Policies, next.Policies) {
		return was
	}
	was.rehearse(&next)
	for _, f := range next.Findings {
		if !slices.Contains(was.Findings, f) && slices.ContainsFunc(was.Policies, func(p policy.Spec) bool { return p.Name == nextName(f.Policy) }) {
			f.Policy = nextName(f.Policy)
			was.Findings = append(was.Findings, f)
		}
	}
	was.check()
	return was
}

func nextName(name string) string { return name + "-next" }

// rehearse adds the policies of next that are not those of r, in shadow. So are those that are
// the same, if another one in shadow would take their requests.
func (r *Result) rehearse(next *Result) {
	same := func(p policy.Spec) bool {
		return slices.ContainsFunc(r.Policies, func(q policy.Spec) bool { return reflect.DeepEqual(p, q) })
	}
	var changed []policy.Spec
	for _, p := range next.Policies {
		if !same(p) && enforces(p) {
			changed = append(changed, p)
		}
	}
	enforced := slices.Clone(r.Policies)
	for i, p := range next.Policies {
		under := slices.IndexFunc(changed, func(q policy.Spec) bool { return isAbove(q, p) })
		switch {
		case enforces(p) && (!same(p) || under >= 0):
			p.Name, p.Mode = nextName(p.Name), policy.ModeShadow
			r.Policies = append(r.Policies, p)
			r.places = append(r.places, next.places[i])
		case p.Mode != policy.ModeOff:
		case !same(p) && slices.ContainsFunc(enforced, func(q policy.Spec) bool { return q.Name == p.Name && enforces(q) }):
			r.notRehearsed(p.Name, next.places[i], "it would be off, which a policy in shadow cannot be")
		case under >= 0:
			r.notRehearsed(p.Name, next.places[i], "a policy in shadow cannot be off: "+nextName(changed[under].Name)+" counts differences here that will not come")
		}
	}
}

func (r *Result) notRehearsed(name string, at source.Place, message string) {
	r.Findings = append(r.Findings, source.Finding{Fidelity: source.Differs, Policy: name, Place: at, Field: "mode", Value: string(policy.ModeOff), Message: message})
}

func enforces(p policy.Spec) bool { return p.Mode == "" || p.Mode == policy.ModeEnforce }

// isAbove reports whether q would decide about requests of p if p were not there.
func isAbove(q, p policy.Spec) bool {
	wide := scopesOf(q)
	return slices.ContainsFunc(scopesOf(p), func(s scope) bool {
		return slices.ContainsFunc(above(s), func(over scope) bool { return slices.Contains(wide, over) })
	})
}

// scopesOf returns the hosts and paths of a policy.
func scopesOf(p policy.Spec) (all []scope) {
	hosts, paths := p.Hosts, p.Paths
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	for _, h := range hosts {
		for _, path := range paths {
			all = append(all, scope{h, path})
		}
	}
	return all
}
