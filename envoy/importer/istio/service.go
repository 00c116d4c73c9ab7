package istio

import (
	"cmp"
	"slices"
	"strings"

	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// service is a VirtualService, or a part of one.
type service struct {
	spec            tree.Node
	name, namespace string
	routes          []tree.Node
	// object tells that it is whole, and cut that an entry of http may have been cut.
	object, cut bool
	// shares tells that another VirtualService has one of the hosts at one of the gateways.
	shares bool
}

// entry is an entry of http, with what its root has if it is a delegate's.
type entry struct {
	tree.Node
	matches []match
	cors    tree.Node
}

func entryOf(n tree.Node, namespace string) entry {
	e := entry{Node: n, cors: n.Proto("cors_policy")}
	for _, m := range n.Field("match").Entries() {
		e.matches = append(e.matches, match{{m, namespace}})
	}
	return e
}

// service adds the routes of s, and reports whether some of them go to the application.
func (r *reader) service(s service) (forwards bool) {
	hosts := s.hosts()
	r.tellService(s)
	entries := r.entries(s)
	for i, e := range entries {
		forwards = forwards || !e.isLocal()
		routes := e.routes(s)
		for _, route := range routes {
			route.Hosts = hosts
			route.Name = cmp.Or(route.Name, name(s, route, len(entries) > 1))
			r.Routes = append(r.Routes, route)
		}
		if catchesAll(routes) {
			r.unreached(s, entries[i+1:])
			break
		}
	}
	return forwards
}

// tellService tells of hosts and gateways.
func (r *reader) tellService(s service) {
	for _, n := range s.spec.Field("hosts").Entries() {
		if strings.Contains(n.String(), "/") {
			r.tell(source.Differs, n, "Istio wants hosts without a namespace: it is read without", "")
		}
	}
	if s.object && !s.spec.Field("hosts").Exists() {
		r.tell(source.Decide, s.spec, "the VirtualService has no hosts, so that it holds only where another one delegates to it: its policies cover every host", "give them hosts and paths")
	}
	if s.object && !s.spec.Field("gateways").Exists() {
		r.tell(source.Default, s.spec, "without gateways, Istio applies the VirtualService within the mesh, not to what comes through a gateway", "")
	}
}

// unreached tells of the entries behind one that takes all requests.
func (r *reader) unreached(s service, entries []entry) {
	for _, e := range entries {
		r.tell(source.Dropped, e.Node, "it is never reached: an entry before it takes all requests", "")
		for _, route := range e.routes(s) {
			r.Findings = append(r.Findings, route.Findings...)
		}
	}
}

// catchesAll reports whether one of the routes takes all requests.
func catchesAll(routes []source.Route) bool {
	return slices.ContainsFunc(routes, isCatchAll)
}

func isCatchAll(r source.Route) bool { return len(r.Paths)+len(r.Conditions) == 0 }

// entries returns the entries of http. Those that delegate are replaced by the entries of the
// VirtualService that they delegate to.
func (r *reader) entries(s service) []entry {
	var entries []entry
	for _, n := range s.routes {
		d := n.Field("delegate")
		if !d.Exists() {
			entries = append(entries, entryOf(n, s.namespace))
			continue
		}
		r.Findings = append(r.Findings, told(n)...)
		o, known := r.delegates[delegateName(d, s.namespace)]
		if !known {
			r.tell(source.Decide, d, "the VirtualService that this delegates to is not in the input: what it says about CORS is not read", "add it to the input")
			continue
		}
		for _, sub := range o.Field("spec", "http").Items() {
			merged, ok := merge(entryOf(n, s.namespace), entryOf(sub, o.Namespace))
			if !ok {
				r.tell(source.Dropped, sub, "Istio ignores this entry: what it matches is not within what "+s.name+" delegates here", "")
				continue
			}
			entries = append(entries, merged)
		}
	}
	return r.held(s, entries)
}

// held removes the matches that hold only at other gateways than those of s. Istio makes no routes
// of them (sourceMatchHTTP in its route.go).
func (r *reader) held(s service, entries []entry) (kept []entry) {
	for _, e := range entries {
		var matches []match
		for _, m := range e.matches {
			if s.isElsewhere(m) {
				r.tell(source.Dropped, m[0].Node, "it is never reached: the VirtualService "+s.name+" is at other gateways", "")
				continue
			}
			matches = append(matches, m)
			for _, n := range m.ignored() {
				r.tellOnce(source.Dropped, n, "Istio ignores it in a match that has gateways", "")
			}
		}
		if len(matches) > 0 || len(e.matches) == 0 {
			e.matches = matches
			kept = append(kept, e)
		}
	}
	return kept
}

// isElsewhere reports whether a match holds only at other gateways than those of s. Without a
// namespace, it is not known which gateway a name means.
func (s service) isElsewhere(m match) bool {
	names := m.gateways()
	return len(names) > 0 && s.namespace != "" && s.knowsGateways() &&
		!slices.ContainsFunc(names, func(n string) bool { return slices.Contains(s.gateways(), n) })
}

// name is that of s, with the first path of the route if there are several.
func name(s service, route source.Route, several bool) string {
	base := s.name
	if base == "" {
		return ""
	}
	if several && len(route.Paths) > 0 && route.Paths[0].Kind != source.RegexPath {
		base += route.Paths[0].Text.Text
	}
	return base
}

// hostOf returns an entry of hosts without its namespace.
func hostOf(n tree.Node) string {
	host := strings.ToLower(n.String())
	return host[strings.IndexByte(host, '/')+1:]
}

// hosts returns the hosts of s as Envoy gets them.
func (s service) hosts() []string {
	var hosts []string
	for _, n := range s.spec.Field("hosts").Entries() {
		host := hostOf(n)
		hosts = append(hosts, host)
		if host != "*" && !strings.Contains(host, ".") && s.namespace != "" {
			// Istio reads a short name as a service of the namespace.
			within := host + "." + s.namespace
			hosts = append(hosts, within, within+".svc", within+".svc.cluster.local")
		}
	}
	return hosts
}

// routes returns one route for all matches that have paths alone, and one for each other. One
// that takes all requests comes last: the matches before it matter only if it moves behind
// the routes of others.
func (e entry) routes(s service) []source.Route {
	base := e.base(s)
	all := slices.IndexFunc(e.matches, func(m match) bool { return everyPath(m.path()) && len(m.conditions(s)) == 0 })
	matches := e.matches
	if all >= 0 {
		matches = matches[:all]
		if !s.shares {
			matches = nil
		}
	}
	routes := matching(base, matches, s)
	if all >= 0 || len(e.matches) == 0 {
		routes = append(routes, base)
	}
	for i := 1; i < len(routes); i++ {
		routes[i].Findings = nil // told once
	}
	return routes
}

// matching returns the routes of matches, none of which takes all requests.
func matching(base source.Route, matches []match, s service) []source.Route {
	common := base
	var routes []source.Route
	for _, m := range matches {
		path, conditions := m.path(), m.conditions(s)
		if len(conditions) == 0 {
			common.Paths = append(common.Paths, path)
			continue
		}
		route := base
		route.Conditions = conditions
		if !everyPath(path) {
			route.Paths = []source.Path{path}
		}
		routes = append(routes, route)
	}
	if len(common.Paths) > 0 {
		routes = append(routes, common)
	}
	return routes
}

// isLocal reports whether Envoy answers by itself.
func (e entry) isLocal() bool {
	return e.Field("redirect").Exists() || e.Proto("direct_response").Exists()
}

// base is a route with all but hosts, paths and conditions.
func (e entry) base(s service) source.Route {
	route := source.Route{Name: e.Field("name").String(), Place: e.Place(), Findings: told(e.Node)}
	local := e.isLocal()
	switch {
	case !e.cors.Exists():
	case local:
		route.Findings = append(route.Findings, e.cors.Finding(source.Dropped, "Envoy answers by itself here, and its cors filter does nothing", ""))
	default:
		c := readCORS(e.cors)
		if route.CORS = c.cors; route.CORS != nil {
			route.CORS.KeepsUpstream = !envoyimport.NamesOrigin(e.Field("headers", "response", "remove"))
		}
		route.Findings = append(route.Findings, c.findings...)
	}
	if !local && !s.cut && len(e.Field("route").Entries()) == 0 {
		route.Findings = append(route.Findings, e.Finding(source.Differs, "Istio does not load an entry of http without a route: it is read as if it had one", ""))
	}
	return route
}

// told is what is to be told of an entry besides its policy.
func told(n tree.Node) []source.Finding {
	return append(added(n), envoyimport.Misspelt(n, "corsPolicy", "cors_policy")...)
}

// added tells the headers of CORS that an entry adds to responses.
func added(n tree.Node) []source.Finding {
	var findings []source.Finding
	for _, at := range append(n.Field("route").Entries(), n) {
		for _, operation := range []string{"set", "add"} {
			for _, f := range at.Field("headers", "response", operation).Fields() {
				if told, ok := envoyimport.AddedHeader(f.Key.Text, f.Node); ok {
					findings = append(findings, told)
				}
			}
		}
	}
	return findings
}
