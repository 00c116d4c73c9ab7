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
	was := map[string]policy.Spec{}
	for _, p := range r.Policies {
		was[p.Name] = p
	}
	same := func(p policy.Spec) bool { return reflect.DeepEqual(p, was[p.Name]) }
	changed := map[scope]int{} // the first policy that changes, by where it decides
	for i, p := range slices.Backward(next.Policies) {
		if same(p) || !enforces(p) {
			continue
		}
		for _, s := range scopesOf(p) {
			changed[s] = i
		}
	}
	for i, p := range next.Policies {
		over, under := shadowAbove(changed, p)
		switch {
		case enforces(p) && (!same(p) || under):
			p.Name, p.Mode = nextName(p.Name), policy.ModeShadow
			r.Policies = append(r.Policies, p)
			r.places = append(r.places, next.places[i])
		case p.Mode != policy.ModeOff:
		case !same(p) && was[p.Name].Name != "" && enforces(was[p.Name]):
			r.notRehearsed(p.Name, next.places[i], "it would be off, which a policy in shadow cannot be")
		case under:
			r.notRehearsed(p.Name, next.places[i], "a policy in shadow cannot be off: "+nextName(next.Policies[over].Name)+" counts differences here that will not come")
		}
	}
}

// shadowAbove returns the first of the policies that change that would decide about requests of p
// if p were not there.
func shadowAbove(changed map[scope]int, p policy.Spec) (first int, found bool) {
	for _, s := range scopesOf(p) {
		for _, over := range above(s) {
			if i, ok := changed[over]; ok && (!found || i < first) {
				first, found = i, true
			}
		}
	}
	return first, found
}

func (r *Result) notRehearsed(name string, at source.Place, message string) {
	r.Findings = append(r.Findings, source.Finding{Fidelity: source.Differs, Policy: name, Place: at, Field: "mode", Value: string(policy.ModeOff), Message: message})
}

func enforces(p policy.Spec) bool { return p.Mode == "" || p.Mode == policy.ModeEnforce }

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
