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
func rehearse(o Options, configs []source.Config, known proofs) Result {
	was := translateAll(Options{KeepRegexes: true, Unmatched: policy.UnmatchedForward, Upstream: policy.UpstreamDefer}, configs, known)
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
	names := map[string]string{} // of policies :: name in the source's
	for i, p := range next.Policies {
		if p.Mode != "" && p.Mode != policy.ModeEnforce {
			continue
		}
		names[p.Name] = p.Name + "-next"
		p.Name, p.Mode = names[p.Name], policy.ModeShadow
		was.Policies = append(was.Policies, p)
		was.places = append(was.places, next.places[i])
	}
	for _, f := range next.Findings {
		if !slices.Contains(was.Findings, f) && names[f.Policy] != "" {
			f.Policy = names[f.Policy]
			was.Findings = append(was.Findings, f)
		}
	}
	was.check()
	return was
}
