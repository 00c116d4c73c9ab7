package imported

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/istio"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// virtualServices makes up objects, some for the same host.
func (r random) virtualServices() []object {
	hosts := []string{"a.example", "b.example", "*.a.example", "c.example", "*"}
	var list []object
	for i := range 1 + r.IntN(4) {
		namespace := r.namespace()
		spec := object{"hosts": append([]string{pick(r, hosts...)}, some(r, 1, "d.example")...), "gateways": []string{r.gateway(namespace)}}
		var routes []any
		for k := range 1 + r.IntN(4) {
			route := r.httpRoute(fmt.Sprintf("service%d-%d", i, k), namespace)
			if r.oneIn(5) {
				name, of := fmt.Sprintf("delegate%d-%d", i, k), r.namespace()
				list = append(list, r.delegate(name, of))
				delete(route, "route")
				delete(route, "redirect")
				delete(route, "directResponse")
				route["delegate"] = object{"name": name, "namespace": of}
			}
			routes = append(routes, route)
		}
		spec["http"] = routes
		list = append(list, object{
			"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": spec,
			"metadata": object{"name": fmt.Sprintf("service%d", i), "namespace": namespace, "creationTimestamp": fmt.Sprintf("2025-01-0%dT00:00:00Z", 9-i)},
		})
	}
	return list
}

// publicGateway is the gateway of all that is made up.
const publicGateway = "edge/public"

func (r random) namespace() string { return pick(r, "shop", "edge") }

// gateway returns one of the names of the gateway in a namespace.
func (r random) gateway(namespace string) string {
	if namespace == "edge" && r.oneIn(2) {
		return pick(r, "public", "./public")
	}
	return pick(r, publicGateway, "public.edge", "public.edge.svc.cluster.local")
}

// delegate makes up an object without hosts.
func (r random) delegate(name, namespace string) object {
	var routes []any
	for k := range 1 + r.IntN(3) {
		routes = append(routes, r.httpRoute(fmt.Sprintf("%s-%d", name, k), namespace))
	}
	return object{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": object{"http": routes},
		"metadata": object{"name": name, "namespace": namespace, "creationTimestamp": "2025-02-01T00:00:00Z"},
	}
}

func (r random) httpRoute(name, namespace string) object {
	route := object{"name": name}
	if !r.oneIn(4) {
		var matches []any
		for range 1 + r.IntN(2) {
			matches = append(matches, r.httpMatch(namespace))
		}
		route["match"] = matches
	}
	switch r.IntN(10) {
	case 0:
		route["redirect"] = object{"uri": "/a"}
	case 1:
		route["directResponse"] = object{"status": 200}
	default:
		route["route"] = []any{object{"destination": object{"host": "upstream"}}}
	}
	if !r.oneIn(4) {
		route["corsPolicy"] = r.istioPolicy()
	}
	return route
}

func (r random) httpMatch(namespace string) object {
	match := object{}
	switch r.IntN(6) {
	case 0:
		match["uri"] = object{"exact": pick(r, "/a", "/a/b")}
	case 1:
		match["uri"] = object{"regex": pick(r, "/a(/.*)?", "/[0-9]+", ".*")}
	default:
		match["uri"] = object{"prefix": pick(r, "/a", "/a/", "/a/b", "/c", "/")}
	}
	if r.oneIn(12) {
		match["ignoreUriCase"] = true
	}
	if r.oneIn(10) {
		match["headers"] = object{"x-beta": object{"exact": "1"}}
	}
	if r.oneIn(20) {
		match["queryParams"] = object{"v": object{"exact": "1"}}
	}
	if r.oneIn(4) {
		match["gateways"] = append(some(r, 2, "mesh", "shop/public", "./public"), r.gateway(namespace))[r.IntN(2):]
	}
	if r.oneIn(10) { // neither is the gateway's
		match["sourceLabels"] = object{"app": "page"}
	}
	if r.oneIn(20) {
		match["sourceNamespace"] = "pages"
	}
	return match
}

func (r random) istioPolicy() object {
	p := object{}
	var origins []any
	for _, m := range r.matchers() {
		m := m.(object)
		delete(m, "ignore_case")
		if regex, ok := m["safe_regex"].(object); ok {
			m = regex
		}
		if m["suffix"] == nil && m["contains"] == nil {
			origins = append(origins, m)
		}
	}
	if origins != nil {
		p["allowOrigins"] = origins
	}
	if r.oneIn(4) {
		p["allowOrigin"] = some(r, 2, "https://app.example", "*", "https://www.app.example")
	}
	if r.oneIn(2) {
		p["allowMethods"] = some(r, 3, "GET", "PUT", "DELETE", "*")
	}
	if r.oneIn(2) {
		p["allowHeaders"] = some(r, 3, "x-a", "X-B", "authorization", "*")
	}
	if r.oneIn(3) {
		p["exposeHeaders"] = some(r, 2, "x-a", "x-total", "*")
	}
	if r.oneIn(3) {
		p["maxAge"] = pick(r, "24h", "10m", "1h30m")
	}
	if r.oneIn(3) {
		p["allowCredentials"] = r.oneIn(2)
	}
	if r.oneIn(3) {
		p["unmatchedPreflights"] = pick(r, "UNSPECIFIED", "FORWARD", "IGNORE")
	}
	return p
}

// gatewayRoutes is what Istio 1.31 makes of VirtualServices for the Envoy of a gateway
// (BuildHTTPRoutesForVirtualService, TranslateRouteMatch, TranslateCORSPolicy and
// SortVHostRoutes in its route.go).
func gatewayRoutes(services []object) object {
	services = withGatewaysOf(services)
	age := func(s object) string { return s["metadata"].(object)["creationTimestamp"].(string) }
	slices.SortStableFunc(services, func(a, b object) int { return cmp.Compare(age(a), age(b)) })
	routes := map[string][]any{}
	for _, s := range services {
		spec := s["spec"].(object)
		hosts, _ := spec["hosts"].([]string)
		for _, host := range hosts {
			// A host without any route is left out.
			if list := routesOf(resolved(spec, services)); list != nil {
				routes[host] = append(routes[host], list...)
			}
		}
	}
	var hosts []any
	for _, host := range slices.Sorted(maps.Keys(routes)) {
		list := routes[host]
		slices.SortStableFunc(list, func(a, b any) int { return cmp.Compare(lastOf(a), lastOf(b)) })
		hosts = append(hosts, object{"name": host, "domains": []string{host}, "routes": list})
	}
	return object{"name": "http.80", "virtual_hosts": hosts}
}

// withGatewaysOf returns services with whole names of gateways in their matches
// (ResolveVirtualServiceShortnames in Istio's virtualservice.go).
func withGatewaysOf(services []object) (list []object) {
	for _, s := range services {
		namespace := s["metadata"].(object)["namespace"].(string)
		s = copied(s).(object)
		for _, http := range s["spec"].(object)["http"].([]any) {
			matches, _ := http.(object)["match"].([]any)
			for _, m := range matches {
				names, _ := m.(object)["gateways"].([]string)
				for i, name := range names {
					names[i] = gatewayOf(name, namespace)
				}
			}
		}
		list = append(list, s)
	}
	return list
}

// copied returns a copy of a value of a configuration, with copies of all in it.
func copied(v any) any {
	switch v := v.(type) {
	case object:
		all := object{}
		for name, value := range v {
			all[name] = copied(value)
		}
		return all
	case []any:
		var all []any
		for _, value := range v {
			all = append(all, copied(value))
		}
		return all
	case []string:
		return slices.Clone(v)
	}
	return v
}

// gatewayOf is resolveGatewayName in Istio's config.go.
func gatewayOf(name, namespace string) string {
	before, after, whole := strings.Cut(name, "/")
	labels := strings.Split(name, ".")
	switch {
	case name == "mesh", whole && before != ".":
		return name
	case whole:
		return namespace + "/" + after
	case len(labels) > 1:
		return labels[1] + "/" + labels[0]
	}
	return namespace + "/" + name
}

// lastOf is 1 for a route that takes all requests, else 0.
func lastOf(route any) int {
	match := route.(object)["match"].(object)
	everyPath := match["prefix"] == "/" || fmt.Sprint(match["safe_regex"]) == "map[regex:.*]"
	if everyPath && match["headers"] == nil && match["query_parameters"] == nil {
		return 1
	}
	return 0
}

// resolved returns the entries of http, with those of delegates in their place (mergeHTTPRoutes
// in Istio's virtualservice.go).
func resolved(spec object, services []object) (list []object) {
	for _, http := range spec["http"].([]any) {
		http := http.(object)
		to, ok := http["delegate"].(object)
		if !ok {
			list = append(list, http)
			continue
		}
		i := slices.IndexFunc(services, func(s object) bool { return s["metadata"].(object)["name"] == to["name"] })
		for _, sub := range services[i]["spec"].(object)["http"].([]any) {
			if merged := mergeRoute(http, sub.(object)); merged != nil {
				list = append(list, merged)
			}
		}
	}
	return list
}

// mergeRoute returns nil if one of the matches of a delegate conflicts with all of its root.
func mergeRoute(root, sub object) object {
	merged := maps.Clone(sub)
	if merged["corsPolicy"] == nil && root["corsPolicy"] != nil {
		merged["corsPolicy"] = root["corsPolicy"]
	}
	of, _ := root["match"].([]any)
	own, _ := sub["match"].([]any)
	switch {
	case of == nil:
		return merged
	case own == nil:
		merged["match"] = of
		return merged
	}
	var matches []any
	for _, m := range own {
		before := len(matches)
		for _, r := range of {
			if both := mergeMatch(r.(object), m.(object)); both != nil {
				matches = append(matches, both)
			}
		}
		if len(matches) == before {
			return nil
		}
	}
	merged["match"] = matches
	return merged
}

// mergeMatch returns nil for a conflict. All headers, parameters and sources that are made up are
// alike.
func mergeMatch(root, sub object) object {
	if (root["ignoreUriCase"] == true) != (sub["ignoreUriCase"] == true) || !isWithin(sub["uri"].(object), root["uri"].(object)) {
		return nil
	}
	of, _ := root["gateways"].([]string)
	names, _ := sub["gateways"].([]string)
	if len(of) > 0 && slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(of, n) }) {
		return nil
	}
	if root["sourceNamespace"] != nil && sub["sourceNamespace"] == nil {
		return nil
	}
	merged := maps.Clone(root)
	maps.Copy(merged, sub)
	return merged
}

// isWithin reports whether Istio sees that a path is within another one. It compares no regexes.
func isWithin(sub, root object) bool {
	exact, isExact := sub["exact"].(string)
	prefix, isPrefix := sub["prefix"].(string)
	of, ofPrefix := root["prefix"].(string)
	switch {
	case isExact && ofPrefix:
		return strings.HasPrefix(exact, of)
	case isPrefix && ofPrefix:
		return strings.HasPrefix(prefix, of)
	}
	return isExact && root["exact"] == exact
}

func routesOf(entries []object) (list []any) {
	for _, http := range entries {
		matches, ok := http["match"].([]any)
		if !ok {
			matches = []any{object{}}
		}
		for _, m := range matches {
			if !isHeld(m.(object)) {
				continue
			}
			route := routeOf(http, m.(object))
			list = append(list, route)
			if lastOf(route) == 1 {
				return list
			}
		}
	}
	return list
}

// isHeld reports whether a match is for requests that come through the gateway (sourceMatchHTTP).
func isHeld(m object) bool {
	if names, _ := m["gateways"].([]string); len(names) > 0 {
		return slices.Contains(names, publicGateway)
	}
	return m["sourceLabels"] == nil && m["sourceNamespace"] == nil
}

func routeOf(http, match object) object {
	route := object{"name": http["name"], "match": matchOf(match)}
	switch {
	case http["redirect"] != nil:
		route["redirect"] = object{"path_redirect": "/a"}
	case http["directResponse"] != nil:
		route["direct_response"] = object{"status": 200}
	default:
		route["route"] = object{"cluster": "upstream"}
	}
	if p, ok := http["corsPolicy"].(object); ok {
		route["typed_per_filter_config"] = object{filterName: corsOf(p)}
	}
	return route
}

func matchOf(m object) object {
	match := object{"prefix": "/", "case_sensitive": m["ignoreUriCase"] != true}
	if uri, ok := m["uri"].(object); ok {
		delete(match, "prefix")
		for key, value := range uri {
			match[map[string]string{"exact": "path", "prefix": "prefix"}[key]] = value
			if key == "regex" {
				match["safe_regex"] = object{"regex": value}
			}
		}
		delete(match, "")
	}
	if m["headers"] != nil {
		match["headers"] = []any{object{"name": "x-beta", "string_match": object{"exact": "1"}}}
	}
	if m["queryParams"] != nil {
		match["query_parameters"] = []any{object{"name": "v", "string_match": object{"exact": "1"}}}
	}
	return match
}

func corsOf(p object) object {
	cors := object{"@type": corsType + "CorsPolicy", "forward_not_matching_preflights": p["unmatchedPreflights"] != "IGNORE"}
	var origins []any
	if list, ok := p["allowOrigins"].([]any); ok {
		for _, o := range list {
			if regex := o.(object)["regex"]; regex != nil {
				o = object{"safe_regex": object{"regex": regex}}
			}
			origins = append(origins, o)
		}
	} else if list, ok := p["allowOrigin"].([]string); ok {
		for _, o := range list {
			origins = append(origins, object{"exact": o})
		}
	}
	cors["allow_origin_string_match"] = origins
	for from, to := range map[string]string{"allowMethods": "allow_methods", "allowHeaders": "allow_headers", "exposeHeaders": "expose_headers"} {
		if list, ok := p[from].([]string); ok {
			cors[to] = strings.Join(list, ",")
		}
	}
	if age, ok := p["maxAge"].(string); ok {
		d, _ := time.ParseDuration(age)
		cors["max_age"] = strconv.Itoa(int(d.Seconds()))
	}
	if yes, ok := p["allowCredentials"]; ok {
		cors["allow_credentials"] = yes
	}
	return cors
}

// TestIstio holds the importer to Envoy's cors filter with the routes that Istio makes.
func TestIstio(t *testing.T) {
	var configs []object
	var services [][]object
	for i := range worlds(40, 400) {
		services = append(services, newRandom(*firstSeed+uint64(i)).virtualServices())
		configs = append(configs, gatewayRoutes(services[i]))
	}
	n := startNative(t, configs)
	total := tally{told: map[string]int{}}
	for i, list := range services {
		text, err := json.MarshalIndent(object{"kind": "List", "items": list}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		imp := importOf(t, importertest.Documents(istio.Read), source.File{Path: "services.json", Text: text})
		total.compare(t, *firstSeed+uint64(i), n.send(t, i), imp, append(domainsOf(configs[i]), "a.example"), string(text))
	}
	total.report(t)
}
