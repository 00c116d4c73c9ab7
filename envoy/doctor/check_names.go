package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// named returns the name of a policy that a place itself gives by its metadata, or "".
func (s spot) named() string {
	var m *core.Metadata
	switch {
	case s.part:
		return "" // the route has it
	case s.route != nil:
		m = s.route.GetMetadata()
	default:
		m = s.host.GetMetadata()
	}
	return m.GetFilterMetadata()[contract.Namespace].GetFields()[contract.Policy].GetStringValue()
}

// policyUnknown reports names of policies that there are not. Envoy's dump hides those in
// context extensions.
func policyUnknown(f *facts, report report) {
	if f.policies == nil {
		return
	}
	for _, m := range f.guarded() {
		for _, s := range m.spots {
			name := s.named()
			if _, known := f.policies.Policy(name); name != "" && !known {
				report(policy.Error, s.place, fmt.Sprintf("its metadata names the policy %q, and there is no such policy", name),
					"each request here is denied: policy_unknown", "the name of a policy, or the policy")
			}
		}
	}
}

// nameNotSent reports names of policies of which corsgate is not told.
func nameNotSent(f *facts, report report) {
	for _, m := range f.guarded() {
		i := slices.IndexFunc(m.spots, func(s spot) bool { return s.named() != "" })
		if i < 0 {
			continue
		}
		s := m.spots[i]
		for _, fl := range m.decides() {
			if write := fl.ignoresNames(s.route != nil); write != "" {
				report(policy.Warning, s.place, fmt.Sprintf("its metadata names a policy, and %s does not look at that", fl.GetName()),
					"the policy of the host and the path is used instead", write)
			}
		}
	}
}

// ignoresNames says what to write so that a filter looks at the names that routes, or
// virtual hosts, give by metadata, or "" if it does, or if that is not known.
func (fl *filter) ignoresNames(ofRoute bool) (write string) {
	for _, a := range fl.asks {
		switch {
		case a.inside:
			continue
		case a.proc != nil && !slices.ContainsFunc(a.proc.GetRequestAttributes(), func(attr string) bool { return strings.Contains(attr, "'"+contract.Namespace+"'") }):
			return "request_attributes as \"corsgate envoy-config\" prints them"
		case a.authz != nil && !ofRoute:
			return "the context extension \"policy\", since ext_authz is not told the metadata of virtual hosts"
		case a.authz != nil && !slices.Contains(a.authz.GetRouteMetadataContextNamespaces(), contract.Namespace):
			return "route_metadata_context_namespaces: [" + contract.Namespace + "]"
		}
	}
	for _, name := range names(fl.sources) {
		// The name of a filter that is delivered has its options.
		_, delivers := fl.sources[name].GetConfigSource().GetConfigSourceSpecifier().(*core.ConfigSource_ApiConfigSource)
		c, _, err := envoy.ParseResourceName(name)
		if delivers && err == nil && !c.Compiled.NamedPolicies {
			return "the filter that \"corsgate envoy-config --named-policies\" prints"
		}
	}
	return ""
}

// lostConfigs reports configuration of a filter that there is not: Envoy ignores it.
func lostConfigs(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, s := range m.spots {
			for _, name := range names(s.says[0]) {
				there := slices.ContainsFunc(m.filters, func(fl *filter) bool { return fl.GetName() == name })
				if isOurs(name) && !there {
					report(policy.Warning, s.place, fmt.Sprintf("typed_per_filter_config has %s, and no filter has that name", name), "Envoy ignores it: what it is to switch on or off, or to name, is not",
						"the name that the filter has in http_filters: "+m.nearest(name))
				}
			}
		}
	}
}

// nearest returns the name of corsgate's filter that a wrong name most likely means: the one
// that has most of it at both ends.
func (m *manager) nearest(wrong string) string {
	ours := m.with(roleCompiled, roleDecide, roleDefault, roleApply, roleStatic)
	shared := func(fl *filter) int { return sharedEnds(fl.GetName(), wrong) }
	return slices.MaxFunc(ours, func(a, b *filter) int { return cmp.Compare(shared(a), shared(b)) }).GetName()
}

// sharedEnds returns how many bytes two names share at their beginnings and at their ends.
func sharedEnds(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	a, b = a[n:], b[n:]
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b, n = a[:len(a)-1], b[:len(b)-1], n+1
	}
	return n
}
