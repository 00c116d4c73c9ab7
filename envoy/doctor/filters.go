package doctor

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	mutation "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	proc "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	setmetadata "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_metadata/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	metadatainput "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/server/contract"
)

// role is what a filter does for corsgate.
type role string

// The roles. A filter without one is somebody else's.
const (
	roleCompiled role = "compiled" // decides by itself; it has the other roles within it
	roleDefault  role = "default"  // notes that nobody has answered yet
	roleDecide   role = "decide"   // asks corsgate
	roleApply    role = "apply"    // edits the response as the decision says
	roleStatic   role = "static"   // edits the responses to requests without an Origin
)

// filter is an HTTP filter of a connection manager.
type filter struct {
	*hcm.HttpFilter
	place  Place
	config proto.Message // nil if its type is not known, or if it is delivered
	// kind is the name of its type, such as jwt_authn.v3.JwtAuthentication.
	kind string
	role role
	asks []*ask
	// sets says that an apply filter sets the headers, and does not only strip. notes says
	// that a filter notes a decision.
	sets, notes bool
	// reads are the namespaces of metadata that a filter finds the decision in.
	reads []string
	// bare says that it stands in no matcher, so that it sees each stream.
	bare bool
	// sources are the filters that it has delivered, by name.
	sources map[string]*core.ExtensionConfigSource
}

// ask is a filter that asks corsgate, at any depth of one of the chain.
type ask struct {
	place  Place
	name   string // its own name
	proc   *proc.ExternalProcessor
	authz  *authz.ExtAuthz
	inside bool // it is part of a compiled filter
	bare   bool
}

// service returns how the filter reaches corsgate by gRPC.
func (a *ask) service() *core.GrpcService {
	if a.proc != nil {
		return a.proc.GetGrpcService()
	}
	return a.authz.GetGrpcService()
}

// cluster returns the name of the cluster that is asked, or "".
func (a *ask) cluster() string { return a.service().GetEnvoyGrpc().GetClusterName() }

// kind returns the filter's kind, as Envoy's documents name it.
func (a *ask) kind() string {
	if a.proc != nil {
		return "ext_proc"
	}
	return "ext_authz"
}

// found is what a filter has within it.
type found struct {
	asks                         []*ask
	applies, notes, sets, strips bool
	composite                    bool
	reads                        []string
	sources                      map[string]*core.ExtensionConfigSource
	service                      string
}

func (f *facts) newFilter(m *manager, hf *hcm.HttpFilter) *filter {
	out := &filter{HttpFilter: hf, place: m.place.filter(hf.GetName()), config: unpack(hf.GetTypedConfig()), kind: typeName(hf.GetTypedConfig())}
	has := found{sources: map[string]*core.ExtensionConfigSource{}, service: f.service}
	if source := hf.GetConfigDiscovery(); source != nil {
		has.sources[hf.GetName()] = source
	}
	has.look(hf)
	out.asks, out.sets, out.notes, out.reads, out.sources = has.asks, has.sets, has.notes, has.reads, has.sources
	out.role = has.role(hf)
	_, isProc := out.config.(*proc.ExternalProcessor)
	out.bare = isProc
	for _, a := range out.asks {
		a.place, a.inside, a.bare = out.place, out.role == roleCompiled, out.bare
	}
	return out
}

// look looks at everything in a filter of the chain.
func (h *found) look(hf *hcm.HttpFilter) {
	name := hf.GetName()
	walk(hf, func(m proto.Message) bool {
		switch m := m.(type) {
		case *core.TypedExtensionConfig:
			h.lookAt(unpack(m.GetTypedConfig()), m.GetName(), name)
		case *composite.DynamicConfig:
			h.sources[m.GetName()] = m.GetConfigDiscovery()
		case *composite.Composite:
			h.composite = true
		case *setmetadata.Config:
			h.notes = h.notes || notesDecision(m)
		case *metadatainput.DynamicMetadataInput:
			if readsDecision(m) {
				h.applies, h.reads = true, append(h.reads, m.GetFilter())
			}
		case *mutation.HeaderMutation:
			h.sets = h.sets || setsAllowOrigin(m)
			h.strips = h.strips || strips(m)
		}
		return true
	})
	h.lookAt(unpack(hf.GetTypedConfig()), name, name)
	slices.SortStableFunc(h.asks, func(a, b *ask) int { return cmp.Compare(a.name, b.name) })
}

// lookAt notes a filter that asks corsgate.
func (h *found) lookAt(m proto.Message, name, outer string) {
	a := &ask{name: name}
	switch m := m.(type) {
	case *proc.ExternalProcessor:
		a.proc = m
	case *authz.ExtAuthz:
		if answersItself(m) {
			return
		}
		a.authz = m
	default:
		return
	}
	if a.isCorsgates(outer, h.service) {
		h.asks = append(h.asks, a)
	}
}

// answersItself reports whether an ext_authz filter is only there to refuse: a compiled
// filter answers by one that is switched off, and denies because of that.
func answersItself(m *authz.ExtAuthz) bool {
	enabled := m.GetFilterEnabled()
	return enabled != nil && enabled.GetRuntimeKey() == "" && enabled.GetDefaultValue().GetNumerator() == 0
}

// isCorsgates reports whether a filter asks corsgate, and not something else: by the names
// that generated configuration and the control planes' objects give.
func (a *ask) isCorsgates(outer, service string) bool {
	if service != "" && a.cluster() == service {
		return true
	}
	words := []string{outer, a.name, a.cluster(), a.proc.GetStatPrefix(), a.authz.GetStatPrefix(), a.service().GetGoogleGrpc().GetTargetUri(),
		a.proc.GetHttpService().GetHttpService().GetHttpUri().GetCluster(), a.authz.GetHttpService().GetServerUri().GetCluster()}
	words = append(words, a.proc.GetMetadataOptions().GetReceivingNamespaces().GetUntyped()...)
	return slices.ContainsFunc(words, isOurs)
}

// isOurs reports whether a name is one of corsgate's.
func isOurs(name string) bool { return strings.Contains(strings.ToLower(name), contract.Namespace) }

// role returns what the filter does for corsgate.
func (h *found) role(hf *hcm.HttpFilter) role {
	switch {
	case slices.ContainsFunc(names(h.sources), isOurs), len(h.asks) > 0 && h.applies:
		return roleCompiled
	case len(h.asks) > 0:
		return roleDecide
	case h.applies:
		return roleApply
	case h.notes && h.composite:
		return roleCompiled
	case h.notes:
		return roleDefault
	case h.strips && isOurs(hf.GetName()):
		return roleStatic
	}
	return ""
}

// notesDecision reports whether a filter writes a decision into corsgate's metadata.
func notesDecision(m *setmetadata.Config) bool {
	for _, one := range m.GetMetadata() {
		fields := one.GetValue().GetFields()
		if fields[contract.Reason] != nil && (one.GetMetadataNamespace() == contract.Namespace || one.GetMetadataNamespace() == contract.AuthzNamespace) {
			return true
		}
	}
	return false
}

// readsDecision reports whether an input is how the response is edited.
func readsDecision(m *metadatainput.DynamicMetadataInput) bool {
	return len(m.GetPath()) == 1 && m.GetPath()[0].GetKey() == contract.Apply &&
		(m.GetFilter() == contract.Namespace || m.GetFilter() == contract.AuthzNamespace)
}

// setsAllowOrigin reports whether a mutation sets the header from a decision.
func setsAllowOrigin(m *mutation.HeaderMutation) bool {
	return strings.EqualFold(m.GetAppend().GetHeader().GetKey(), allowOrigin)
}

func strips(m *mutation.HeaderMutation) bool {
	return strings.HasPrefix(corsPrefix, strings.ToLower(m.GetRemoveOnMatch().GetKeyMatcher().GetPrefix())) && m.GetRemoveOnMatch() != nil
}

const (
	corsPrefix  = "access-control-"
	allowOrigin = corsPrefix + "allow-origin"
)

// with returns the filters of a connection manager that have a role.
func (m *manager) with(roles ...role) (list []*filter) {
	for _, f := range m.filters {
		if slices.Contains(roles, f.role) {
			list = append(list, f)
		}
	}
	return list
}

// decides returns the filters that decide, by asking or by themselves.
func (m *manager) decides() []*filter { return m.with(roleCompiled, roleDecide) }

// asks returns the filters that ask corsgate, at any depth.
func (m *manager) asks() (list []*ask) {
	for _, fl := range m.decides() {
		list = append(list, fl.asks...)
	}
	return list
}

// first returns the index of the first filter that is corsgate's, or -1.
func (m *manager) first() int {
	return slices.IndexFunc(m.filters, func(f *filter) bool { return f.role == roleCompiled || f.role == roleDecide })
}

// perFilter is the configuration of filters at one place, by the names of the filters.
type perFilter map[string]*anypb.Any

// of returns a filter's configuration, also if it stands in a FilterConfig, or nil.
func (p perFilter) of(name string) proto.Message {
	m := unpack(p[name])
	if wrapped, ok := m.(*route.FilterConfig); ok {
		return unpack(wrapped.GetConfig())
	}
	return m
}

// spot is a place that requests are routed by, with what it says of filters, the most
// specific first.
type spot struct {
	place Place
	route *route.Route       // nil for the virtual host itself
	host  *route.VirtualHost // never nil
	part  bool               // it is a weighted cluster of the route
	says  []perFilter
}

// spotsOf returns the spots of a route configuration.
func (m *manager) spotsOf(rc *route.RouteConfiguration) (list []spot) {
	for _, vh := range rc.GetVirtualHosts() {
		p := m.place
		p.RouteConfig, p.VirtualHost = rc.GetName(), vh.GetName()
		above := []perFilter{vh.GetTypedPerFilterConfig(), rc.GetTypedPerFilterConfig()}
		list = append(list, spot{place: p, host: vh, says: above})
		for i, rt := range vh.GetRoutes() {
			p.Route = cmp.Or(rt.GetName(), routeName(rt, i))
			ofRoute := append([]perFilter{rt.GetTypedPerFilterConfig()}, above...)
			one := spot{place: p, host: vh, route: rt, says: ofRoute}
			list = append(append(list, one), one.parts()...)
		}
	}
	return list
}

// parts returns the weighted clusters of a route that configure filters.
func (s spot) parts() (list []spot) {
	for _, w := range s.route.GetRoute().GetWeightedClusters().GetClusters() {
		if says := w.GetTypedPerFilterConfig(); len(says) > 0 {
			part := s
			part.place.Cluster, part.part = w.GetName(), true
			part.says = append([]perFilter{says}, s.says...)
			list = append(list, part)
		}
	}
	return list
}

// routeSpots returns the spots that are routes.
func (m *manager) routeSpots() []spot {
	return slices.DeleteFunc(slices.Clone(m.spots), func(s spot) bool { return s.route == nil || s.part })
}

// routeName names a route without a name by what it matches.
func routeName(rt *route.Route, i int) string {
	match := rt.GetMatch()
	for _, path := range []string{match.GetPrefix(), match.GetPath(), match.GetPathSeparatedPrefix(), match.GetSafeRegex().GetRegex()} {
		if path != "" {
			return path
		}
	}
	return "number " + strconv.Itoa(i+1)
}

// config returns what the most specific place says that says something of a filter, or nil.
func (s spot) config(name string) perFilter {
	for _, says := range s.says {
		if says[name] != nil {
			return says
		}
	}
	return nil
}

// runs reports whether a filter runs for requests that are routed here, as Envoy decides
// it: the most specific configuration switches it on or off.
func (s spot) runs(f *filter) bool {
	says := s.config(f.GetName())
	if says == nil {
		return !f.GetDisabled()
	}
	wrapped, _ := unpack(says[f.GetName()]).(*route.FilterConfig)
	return !wrapped.GetDisabled() && !switchesOff(says.of(f.GetName()))
}

// switchesOff reports whether a filter's own configuration of a route switches it off.
func switchesOff(m proto.Message) bool {
	switch c := m.(type) {
	case *proc.ExtProcPerRoute:
		return c.GetDisabled()
	case *authz.ExtAuthzPerRoute:
		return c.GetDisabled()
	}
	return false
}
