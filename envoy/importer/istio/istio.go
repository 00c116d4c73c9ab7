// Package istio reads what Istio does about CORS: VirtualServices, EnvoyFilters, and parts
// of these.
package istio

import (
	"cmp"
	"slices"
	"strings"

	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Claims reports whether doc is an object of Istio, or a part of one.
func Claims(doc tree.Node) bool {
	if o, ok := tree.ObjectOf(doc); ok {
		return strings.HasSuffix(o.Group, "istio.io") || o.Group == "" && (o.Kind == "VirtualService" || o.Kind == "EnvoyFilter")
	}
	return len(partsOf(doc)) > 0
}

// Read returns what Istio does by docs.
func Read(docs []tree.Node) source.Config {
	r := &reader{Config: source.Config{Choose: source.First}}
	var services []tree.Object
	for _, doc := range tree.Unlist(docs) {
		o, ok := tree.ObjectOf(doc)
		switch {
		case !ok:
			for _, part := range partsOf(doc) {
				r.part(part)
			}
		case o.Kind == "EnvoyFilter":
			r.envoyFilter(o)
		case o.Kind == "VirtualService":
			services = append(services, o)
		case strings.HasSuffix(o.Group, "istio.io") && o.Field("spec", "corsPolicy").Exists(): // RouteRule, before VirtualService
			r.service(service{spec: o.Field("spec"), name: o.Name, routes: []tree.Node{o.Field("spec")}, cut: true})
		}
	}
	r.virtualServices(services)
	return r.Config
}

// reader collects what was found.
type reader struct {
	source.Config
	delegates map[string]tree.Object // without hosts :: namespace/name
	delegated map[string]bool        // to by others :: namespace/name
}

// part is a piece of a VirtualService without its kind.
type part struct {
	tree.Node
	kind kind
}

// kind says what a part is.
type kind uint8

const (
	spec  kind = iota
	route      // an entry of http, or the field corsPolicy alone
	corsPolicy
)

// partsOf returns the pieces of a VirtualService in a document without a kind.
func partsOf(doc tree.Node) []part {
	switch {
	case doc.IsList():
		var parts []part
		for _, item := range doc.Items() {
			parts = append(parts, partsOf(item)...)
		}
		return parts
	case doc.Field("spec").IsMapping():
		return partsOf(doc.Field("spec"))
	case doc.Field("http").IsList(), isCORS(doc.Field("http").Proto("cors_policy")):
		return []part{{doc, spec}}
	case isCORS(doc.Proto("cors_policy")):
		return []part{{doc, route}}
	case isCORS(doc) && !doc.Field("match").Exists():
		return []part{{doc, corsPolicy}}
	}
	return nil
}

// isCORS reports whether n is a CorsPolicy by its fields. That of others has texts in
// allowOrigins.
func isCORS(n tree.Node) bool {
	for _, o := range n.Proto("allow_origins").Items() {
		if o.Field("exact").Exists() || o.Field("prefix").Exists() || o.Field("regex").Exists() {
			return !o.Field("value").Exists()
		}
	}
	return n.Field("allowOrigin").IsList() && !n.Proto("allow_private_network").Exists()
}

func (r *reader) part(p part) {
	switch p.kind {
	case spec:
		r.service(service{spec: p.Node, routes: p.Field("http").Entries()})
	case route:
		r.service(service{routes: []tree.Node{p.Node}, cut: true})
	case corsPolicy:
		c := readCORS(p.Node)
		r.Routes = append(r.Routes, source.Route{Place: p.Place(), CORS: c.cors, Findings: c.findings})
	}
}

// virtualServices reads objects in the order in which Istio puts together those of one host.
func (r *reader) virtualServices(objects []tree.Object) {
	slices.SortStableFunc(objects, func(a, b tree.Object) int {
		return strings.Compare(a.Field("metadata", "creationTimestamp").String(), b.Field("metadata", "creationTimestamp").String())
	})
	r.setDelegates(objects)
	var all []*answering
	for _, o := range objects {
		if r.delegated[o.Namespace+"/"+o.Name] {
			continue // read where it is delegated to
		}
		s := service{spec: o.Field("spec"), name: o.Name, namespace: o.Namespace, routes: o.Field("spec", "http").Items(), object: true}
		all = append(all, &answering{service: s, place: o.Place(), at: s.gateways()})
	}
	r.merge(all)
	for _, a := range all {
		before := len(r.Routes)
		a.forwards = r.service(a.service)
		a.routes = slices.Clone(r.Routes[before:])
		a.answers = fields.Answers(a.routes)
		r.Routes = r.Routes[:before]
	}
	all = slices.DeleteFunc(all, r.isEmpty)
	r.Findings = append(r.Findings, share(all)...)
	for _, a := range all {
		r.Routes = append(r.Routes, without(a.lost, a.routes)...)
	}
	for _, a := range all {
		for _, rest := range without(a.lost, []source.Route{{Name: a.name, Place: a.place, Hosts: a.hosts()}}) {
			r.Routes = append(r.Routes, envoyimport.Closing(r.Routes, rest)...)
		}
	}
	// At a gateway, the routes that take all requests come last (SortVHostRoutes in Istio's route.go).
	specific := func(route source.Route) int { return min(len(route.Paths)+len(route.Conditions), 1) }
	slices.SortStableFunc(r.Routes, func(a, b source.Route) int { return cmp.Compare(specific(b), specific(a)) })
}

// isEmpty reports whether Istio makes no route of a, so that others answer its hosts. What is
// delegated to is taken to have some if it is not in the input.
func (r *reader) isEmpty(a *answering) bool {
	unknown := func(n tree.Node) bool {
		d := n.Field("delegate")
		_, known := r.delegates[delegateName(d, a.namespace)]
		return d.Exists() && !known
	}
	return len(a.routes) == 0 && !slices.ContainsFunc(a.service.routes, unknown)
}

// setDelegates finds the objects that others may delegate to, and those to which they do.
func (r *reader) setDelegates(objects []tree.Object) {
	r.delegates, r.delegated = map[string]tree.Object{}, map[string]bool{}
	for _, o := range objects {
		if len(o.Field("spec", "hosts").Items()) == 0 {
			r.delegates[o.Namespace+"/"+o.Name] = o
		}
		for _, route := range o.Field("spec", "http").Items() {
			if d := route.Field("delegate"); d.Exists() {
				r.delegated[delegateName(d, o.Namespace)] = true
			}
		}
	}
}

func delegateName(d tree.Node, namespace string) string {
	return cmp.Or(d.Field("namespace").String(), namespace) + "/" + d.Field("name").String()
}

func (r *reader) tell(f source.Fidelity, n tree.Node, message, hint string) {
	r.Findings = append(r.Findings, n.Finding(f, message, hint))
}

// tellOnce is tell for what may be found several times.
func (r *reader) tellOnce(f source.Fidelity, n tree.Node, message, hint string) {
	if found := n.Finding(f, message, hint); !slices.Contains(r.Findings, found) {
		r.Findings = append(r.Findings, found)
	}
}

// additions are the operations that put a value into the configuration (EnvoyFilter.Patch.Operation).
var additions = []string{"MERGE", "ADD", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE"}

// envoyFilter reads what an EnvoyFilter patches into the configuration.
func (r *reader) envoyFilter(o tree.Object) {
	for _, patch := range o.Field("spec", "configPatches").Items() {
		operation := patch.Field("patch", "operation")
		switch {
		case slices.Contains(additions, operation.String()):
			r.patch(o, patch)
		case !operation.Exists():
			r.tell(source.Differs, patch, "Istio does not load a patch without an operation: it is read as MERGE", "")
			r.patch(o, patch)
		case operation.String() != "REMOVE":
			r.tell(source.Decide, operation, "Istio has no such operation: the patch is not read", "")
		case removesCORS(patch):
			r.tell(source.Decide, operation, "this patch removes routes, or the cors filter: what is left without them is not read", "")
		}
	}
}

// removesCORS reports whether a patch that removes something may remove policies of CORS.
func removesCORS(patch tree.Node) bool {
	switch patch.Proto("apply_to").String() {
	case "VIRTUAL_HOST", "HTTP_ROUTE":
		return true
	}
	filter := patch.Field("match").Proto("listener", "filter_chain", "filter", "sub_filter", "name").String()
	return strings.HasSuffix(filter, ".cors")
}

// patch reads what a patch adds.
func (r *reader) patch(o tree.Object, patch tree.Node) {
	vhost := patch.Field("match").Proto("route_configuration", "vhost")
	config := envoyimport.ReadPart(patch.Field("patch", "value"), patchedHosts(vhost))
	for _, route := range config.Routes {
		route.Name = cmp.Or(route.Name, o.Name)
		if name := vhost.Field("route", "name"); name.Exists() {
			route.Conditions = append(route.Conditions, source.Text{Place: name.Place(), Text: "route " + name.String()})
		}
		if route.CORS != nil && len(route.Hosts) == 0 {
			route.Findings = append(route.Findings, patch.Field("match").Finding(source.Decide,
				"the patch names no host, and holds for the proxies of its namespace, context and workloadSelector alone: the policy covers every host", "write hosts into the policy"))
		}
		r.Routes = append(r.Routes, route)
	}
	r.Findings = append(r.Findings, config.Findings...)
}

// patchedHosts returns the hosts of the virtual host that a patch is for.
func patchedHosts(vhost tree.Node) []string {
	host := cmp.Or(vhost.Proto("domain_name").String(), vhost.Field("name").String())
	if !strings.Contains(host, ".") || strings.Contains(host, "|") {
		return nil
	}
	return []string{host}
}
