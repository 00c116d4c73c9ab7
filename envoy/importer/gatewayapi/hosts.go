package gatewayapi

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// gateways are the gateways of the input, by namespace and name.
type gateways map[string]tree.Object

func gatewaysOf(docs []tree.Node) gateways {
	all := gateways{}
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && o.Group == Group && o.Kind == "Gateway" {
			all[o.Namespace+"/"+o.Name] = o
		}
	}
	return all
}

// Gateway returns a gateway of the documents.
func Gateway(docs []tree.Node, namespace, name string) (tree.Object, bool) {
	o, ok := gatewaysOf(docs)[namespace+"/"+name]
	return o, ok
}

// Attachment is a listener that a route is attached to. Of a gateway that is not in the
// input, Gateway and Listener do not exist.
type Attachment struct {
	Parent
	Gateway  tree.Object
	Listener tree.Node
}

// attachments returns what the route of a rule is attached to. If it does not say, that is
// one of which nothing is known.
func (g gateways) attachments(r Rule) []Attachment {
	parents := r.Parents()
	if len(parents) == 0 {
		return []Attachment{{}}
	}
	var all []Attachment
	for _, p := range parents {
		gateway, ok := g[p.Namespace+"/"+p.Name]
		if !ok || p.Kind != "Gateway" {
			all = append(all, Attachment{Parent: p})
			continue
		}
		for _, l := range p.listeners(gateway) {
			all = append(all, Attachment{p, gateway, l})
		}
	}
	return all
}

// hosts returns the hosts of the rule at some listeners, each with those that take it; "" is every
// host.
func (r Rule) hosts(at []Attachment) map[string][]Attachment {
	own := hostnames(r.hostnames())
	taken := map[string][]Attachment{}
	for _, a := range at {
		for _, host := range a.hosts(own) {
			if !a.closest(host).Exists() {
				taken[host] = append(taken[host], a)
			}
		}
	}
	return taken
}

// hosts returns those of a route that the listener has, too (HTTPRouteSpec, hostnames). Of a gateway
// that is not in the input, every host may come.
func (a Attachment) hosts(own []string) []string {
	common, open := intersect(own, hostname(a.Listener))
	if open {
		return []string{""}
	}
	return common
}

func hostname(listener tree.Node) string { return strings.ToLower(listener.Field("hostname").String()) }

// closest returns the listener that takes the requests for a host instead of that of a, since its
// hostname is closer, whatever is attached to it (GatewaySpec, listeners).
func (a Attachment) closest(host string) (closest tree.Node) {
	best := hostname(a.Listener)
	for _, l := range a.Gateway.Field("spec", "listeners").Items() {
		name := hostname(l)
		covers := name != "" && (name == host || below(name, host))
		if covers && (best == "" || below(best, name)) && l.Field("port").String() == a.Listener.Field("port").String() {
			best, closest = name, l
		}
	}
	return closest
}

// tellHosts tells that the input does not say for which hosts a rule is.
func (a *Answer) tellHosts(r Rule, at []Attachment) {
	known := !slices.ContainsFunc(at, func(a Attachment) bool { return !a.Listener.Exists() })
	if a.CORS == nil || known {
		return
	}
	f := source.Finding{
		Fidelity: source.Differs, Place: r.Place(), Field: "hosts",
		Message: "the input does not say for which hosts this is; the policy is for every host",
		Hint:    "write hosts into the policy",
	}
	if r.Route.Exists() {
		f.Fidelity, f.Hint = source.Decide, "add the Gateway to the input, or write hosts into the policy"
	}
	a.Findings = append(a.Findings, f)
}

// hostnames are the hosts that the route names.
func (r Rule) hostnames() tree.Node { return r.spec.Field("hostnames") }

func hostnames(list tree.Node) []string {
	var names []string
	for _, n := range list.Entries() {
		names = append(names, strings.ToLower(n.String()))
	}
	return names
}

// Parent is what a route is attached to. Section is empty for all listeners.
type Parent struct {
	Kind, Namespace, Name, Section, Port string
	// routeNamespace is the namespace of the route.
	routeNamespace string
}

// Parents returns what the route of a rule is attached to.
func (r Rule) Parents() []Parent {
	var parents []Parent
	for _, ref := range r.spec.Field("parentRefs").Items() {
		p := Parent{
			Kind: ref.Field("kind").String(), Namespace: ref.Field("namespace").String(), Name: ref.Field("name").String(),
			Section: ref.Field("sectionName").String(), Port: ref.Field("port").String(), routeNamespace: r.Route.Namespace,
		}
		if p.Kind == "" {
			p.Kind = "Gateway"
		}
		if p.Namespace == "" {
			p.Namespace = r.Route.Namespace
		}
		parents = append(parents, p)
	}
	return parents
}

// listeners returns the listeners of a gateway that p names and that take its route.
func (p Parent) listeners(gateway tree.Object) []tree.Node {
	return slices.DeleteFunc(gateway.Field("spec", "listeners").Items(), func(l tree.Node) bool {
		return p.Section != "" && l.Field("name").String() != p.Section ||
			p.Port != "" && l.Field("port").String() != p.Port ||
			!takes(l.Field("allowedRoutes", "namespaces", "from").String(), p.routeNamespace, gateway.Namespace)
	})
}

// takes reports whether a listener takes routes of a namespace: by default of its own only
// (RouteNamespaces). Whom a selector takes is not known here: it is taken to be everybody.
func takes(from, route, gateway string) bool {
	return from == "All" || from == "Selector" || route == "" || gateway == "" || route == gateway
}

// intersect returns the hosts of a route that a listener's hostname covers, too; all if
// that is every host.
func intersect(own []string, listener string) (common []string, all bool) {
	listener = strings.ToLower(listener)
	switch {
	case listener == "":
		return own, len(own) == 0
	case len(own) == 0:
		return []string{listener}, false
	}
	for _, host := range own {
		switch {
		case host == listener, below(listener, host):
			common = append(common, host)
		case below(host, listener):
			common = append(common, listener)
		}
	}
	return common, false
}

// below reports whether wildcard, "*.example.com", covers host, which may be one, too.
func below(wildcard, host string) bool {
	rest, ok := strings.CutPrefix(wildcard, "*")
	return ok && strings.HasSuffix(host, rest) && host != wildcard
}
