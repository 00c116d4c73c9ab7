package istio

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// mesh stands for the proxies within the mesh among gateways.
const mesh = "mesh"

// gateways returns the gateways of s, each with its namespace.
func (s service) gateways() []string {
	if names := gateways(s.spec, s.namespace); names != nil {
		return names
	}
	return []string{mesh}
}

// knowsGateways reports whether s says where it holds. A part of a VirtualService, and one that
// others delegate to, may leave it open.
func (s service) knowsGateways() bool {
	return gateways(s.spec, s.namespace) != nil || s.object && s.spec.Field("hosts").Exists()
}

// gateways returns those that n names, each with its namespace.
func gateways(n tree.Node, namespace string) (names []string) {
	for _, g := range n.Field("gateways").Entries() {
		names = append(names, gatewayName(g.String(), namespace))
	}
	return names
}

// gatewayName returns namespace/name of a gateway, which may be written as a name, as "./name",
// or as a host (resolveGatewayName in Istio's virtualservice.go).
func gatewayName(written, namespace string) string {
	host := strings.Split(written, ".")
	switch name, within := strings.CutPrefix(written, "./"); {
	case within:
		return namespace + "/" + name
	case written == mesh, strings.Contains(written, "/"):
		return written
	case len(host) > 1:
		return host[1] + "/" + host[0]
	}
	return namespace + "/" + written
}

// merge tells of VirtualServices that have a host in common with an older one at one of their
// gateways. Only there Istio puts their routes together.
func (r *reader) merge(all []*answering) {
	type at struct{ host, gateway string }
	oldest := map[at]*answering{}
	for _, a := range all {
		for _, h := range a.spec.Field("hosts").Items() {
			var older *answering
			for _, g := range a.at {
				key := at{hostOf(h), g}
				if oldest[key] == nil {
					oldest[key] = a
				}
				if first := oldest[key]; first != a {
					first.shares, a.shares, older = true, true, first
				}
			}
			if older != nil {
				r.tell(source.Decide, h, "the VirtualService "+older.name+" has the same host: the routes of the older one come first, those for all requests last, as at a gateway", "")
			}
		}
	}
}

// answering is a VirtualService with the routes that are read from it.
type answering struct {
	service
	place   source.Place
	at      []string // its gateways
	routes  []source.Route
	answers string // the same for all that answer alike
	// forwards tells that some of its requests go to the application.
	forwards bool
	lost     []string // hosts that another one answers
}

func (a *answering) allows() bool {
	return slices.ContainsFunc(a.routes, func(r source.Route) bool { return r.CORS != nil })
}

func (a *answering) isAt(gateway string) bool { return slices.Contains(a.at, gateway) }

// isAlone reports whether a is at a gateway at which none of the others is.
func (a *answering) isAlone(others []*answering) bool {
	return slices.ContainsFunc(a.at, func(g string) bool { return countAt(g, others) == 0 })
}

// countAt returns how many are at a gateway.
func countAt(gateway string, all []*answering) (n int) {
	for _, a := range all {
		if a.isAt(gateway) {
			n++
		}
	}
	return n
}

// without removes hosts from routes, and routes that have no other ones.
func without(hosts []string, routes []source.Route) []source.Route {
	if len(hosts) == 0 {
		return routes
	}
	var kept []source.Route
	for _, r := range routes {
		r.Hosts = slices.DeleteFunc(slices.Clone(r.Hosts), func(h string) bool { return slices.Contains(hosts, h) })
		if len(r.Hosts) > 0 {
			kept = append(kept, r)
		}
	}
	return kept
}

// sharing finds the VirtualServices that have a host.
type sharing struct {
	byHost   map[string][]*answering
	told     map[[2]*answering]bool
	findings []source.Finding
}

// share takes hosts away from VirtualServices if another one answers them at another gateway:
// policies know none. The first that allows something keeps them, with all at its gateway.
func share(all []*answering) []source.Finding {
	s := &sharing{byHost: map[string][]*answering{}, told: map[[2]*answering]bool{}}
	for _, a := range all {
		for _, h := range a.hosts() {
			s.byHost[h] = append(s.byHost[h], a)
		}
	}
	for _, a := range all {
		for _, h := range a.hosts() {
			if s.byHost[h][0] == a {
				s.share(h)
			}
		}
	}
	return s.findings
}

func (s *sharing) share(host string) {
	own := s.byHost[host]
	first := slices.IndexFunc(own, (*answering).allows)
	if first < 0 {
		s.shareOff(host)
		return
	}
	owner := own[first]
	gateway := slices.MaxFunc(owner.at, func(a, b string) int { return countAt(a, own) - countAt(b, own) })
	tell := func(a *answering) bool {
		return s.tell(source.Decide, a, owner, host,
			"at another gateway, this answers the host otherwise than the VirtualService "+owner.name+", which is read: policies know no gateways")
	}
	for _, a := range own {
		if !a.isAt(gateway) {
			a.lost = append(a.lost, host)
			tell(a)
		}
	}
	for _, a := range s.elsewhere(host) {
		if tell(a) {
			return
		}
	}
}

// shareOff is share for a host if no VirtualService that has it allows anything.
func (s *sharing) shareOff(host string) {
	own := s.byHost[host]
	wide := slices.DeleteFunc(s.elsewhere(host), func(a *answering) bool { return !a.allows() })
	if len(wide) == 0 {
		return
	}
	forwards := slices.IndexFunc(own, func(a *answering) bool { return a.forwards })
	if forwards >= 0 {
		s.tell(source.Differs, wide[0], own[forwards], host,
			"at another gateway, this allows something at the host; the policy is off there, as in the VirtualService "+own[forwards].name+": policies know no gateways")
		return
	}
	for _, a := range own {
		a.lost = append(a.lost, host)
	}
}

// elsewhere returns those that answer a host by a star, at gateways where none has a closer host.
func (s *sharing) elsewhere(host string) (all []*answering) {
	closer := slices.Clone(s.byHost[host])
	for i := 1; i <= len(host); i++ {
		entry := "*" + host[i:]
		if entry == host {
			continue
		}
		for _, a := range s.byHost[entry] {
			if a.isAlone(closer) {
				all = append(all, a)
			}
		}
		closer = append(closer, s.byHost[entry]...)
	}
	return all
}

// tell tells once that a answers a host otherwise than the one that is read.
func (s *sharing) tell(f source.Fidelity, a, read *answering, host, message string) bool {
	pair := [2]*answering{a, read}
	if s.told[pair] || !a.forwards || a.answers == read.answers {
		return false
	}
	s.told[pair] = true
	s.findings = append(s.findings, source.Finding{Fidelity: f, Place: a.spec.Field("hosts").Place(), Field: "hosts", Value: host, Message: message})
	return true
}
