package imported

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// object is a JSON object of a configuration.
type object = map[string]any

// random makes up configurations and questions.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 20))} }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

// some picks up to most of them, each once.
func some[T any](r random, most int, of ...T) []T {
	list := append([]T{}, of...)
	r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list[:r.IntN(min(most, len(list))+1)]
}

// oneIn is true once in n times.
func (r random) oneIn(n int) bool { return r.IntN(n) == 0 }

// The types of configurations.
const (
	typePrefix = "type.googleapis.com/"
	corsType   = typePrefix + "envoy.extensions.filters.http.cors.v3."
	filterName = "envoy.filters.http.cors"
)

// routeConfiguration makes up virtual hosts. old says that policies are in the fields of
// older versions, not in typed_per_filter_config.
func (r random) routeConfiguration() object {
	old := r.oneIn(3)
	config := object{"name": "made-up"}
	if !old && r.oneIn(4) {
		config["typed_per_filter_config"] = r.perFilter()
	}
	domains := [][]string{{"a.example"}, {"b.example", "b.example:8080"}, {"*.a.example"}, {"*"}, {"*-eu.a.example"}, {"c.example", "*.c.example"}}
	var hosts []any
	r.Shuffle(len(domains), func(i, k int) { domains[i], domains[k] = domains[k], domains[i] })
	for i, d := range domains[:2+r.IntN(len(domains)-2)] {
		hosts = append(hosts, r.virtualHost(fmt.Sprintf("host%d", i), d, old))
	}
	config["virtual_hosts"] = hosts
	return config
}

func (r random) virtualHost(name string, domains []string, old bool) object {
	host := object{"name": name, "domains": domains}
	if !r.oneIn(4) {
		r.setPolicy(host, host, old)
	}
	var routes []any
	for i := range 1 + r.IntN(3) {
		routes = append(routes, r.route(fmt.Sprintf("%s-%d", name, i), old))
	}
	if !r.oneIn(4) {
		last := r.route(name+"-last", old)
		last["match"] = object{"prefix": "/"}
		routes = append(routes, last)
	}
	if r.oneIn(6) {
		k := r.IntN(len(routes) + 1)
		host["matcher"] = matcherTree(routes[:k], routes[k:])
		return host
	}
	host["routes"] = routes
	return host
}

// matcherTree chooses among some routes by a header, and among others without it.
func matcherTree(with, without []any) object {
	choose := func(routes []any) object {
		return object{"action": object{"name": "routes", "typed_config": object{"@type": typePrefix + "envoy.config.route.v3.RouteList", "routes": routes}}}
	}
	input := object{"@type": typePrefix + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": "x-beta"}
	return object{
		"matcher_tree": object{"input": object{"name": "beta", "typed_config": input}, "exact_match_map": object{"map": object{"1": choose(with)}}},
		"on_no_match":  choose(without),
	}
}

// setPolicy gives a policy to a virtual host, or to a route; holder has the old field.
func (r random) setPolicy(at, holder object, old bool) {
	switch {
	case !old:
		at["typed_per_filter_config"] = r.perFilter()
	default:
		holder["cors"] = r.policy()
	}
	if old && r.oneIn(8) {
		at["typed_per_filter_config"] = r.perFilter()
	}
}

func (r random) perFilter() object {
	policy := r.policy()
	policy["@type"] = corsType + "CorsPolicy"
	switch r.IntN(20) {
	case 0:
		return object{filterName: object{"@type": typePrefix + "envoy.config.route.v3.FilterConfig", "config": policy}}
	case 1:
		return object{filterName: object{"@type": typePrefix + "envoy.config.route.v3.FilterConfig", "disabled": true}}
	case 2:
		return object{"envoy.filters.http.other": policy}
	}
	return object{filterName: policy}
}

func (r random) route(name string, old bool) object {
	route := object{"name": name, "match": r.match()}
	action := object{"cluster": "upstream"}
	if !r.oneIn(3) {
		r.setPolicy(route, action, old)
	}
	switch r.IntN(12) {
	case 0:
		route["direct_response"] = object{"status": 200}
	case 1:
		route["redirect"] = object{"path_redirect": "/a"}
	case 2:
		two := object{"name": "upstream", "weight": 1}
		if r.oneIn(2) {
			two["typed_per_filter_config"] = r.perFilter()
		}
		delete(action, "cluster")
		action["weighted_clusters"] = object{"clusters": []any{object{"name": "upstream", "weight": 1}, two}}
		route["route"] = action
	default:
		route["route"] = action
	}
	return route
}

func (r random) match() object {
	match := object{}
	switch r.IntN(8) {
	case 0:
		match["path"] = pick(r, "/a", "/a/b", "/")
	case 1:
		match["safe_regex"] = object{"regex": pick(r, "/a(/.*)?", "/[0-9]+", "/a/.*", ".*")}
	case 2, 3:
		match["prefix"] = pick(r, "/a", "/a/", "/", "/c", "/a/b")
	default:
		match["path_separated_prefix"] = pick(r, "/a", "/a/b", "/c")
	}
	if r.oneIn(12) {
		match["case_sensitive"] = false
	}
	if r.oneIn(10) {
		match["headers"] = []any{object{"name": "x-beta", "present_match": true}}
	}
	if r.oneIn(20) {
		match["query_parameters"] = []any{object{"name": "v", "present_match": true}}
	}
	return match
}

func (r random) policy() object {
	p := object{}
	if !r.oneIn(8) {
		p["allow_origin_string_match"] = r.matchers()
	}
	if r.oneIn(2) {
		p["allow_methods"] = r.list("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "*", "put")
	}
	if r.oneIn(2) {
		p["allow_headers"] = r.list("x-a", "X-B", "authorization", "*", "keep-alive", "origin", "content-type")
	}
	if r.oneIn(3) {
		p["expose_headers"] = r.list("x-a", "x-total", "*", "X-B")
	}
	if r.oneIn(3) {
		p["max_age"] = pick(r, "600", "0", "1728000", " 60 ", "24h", "-1")
	}
	for _, name := range []string{"allow_credentials", "forward_not_matching_preflights", "allow_private_network_access"} {
		if r.oneIn(3) {
			p[name] = r.oneIn(2)
		}
	}
	for _, name := range []string{"filter_enabled", "shadow_enabled"} {
		if r.oneIn(16) {
			p[name] = object{"default_value": object{"numerator": pick(r, 0, 100)}}
		}
	}
	return p
}

// list is a text that lists names, often one alone.
func (r random) list(names ...string) string {
	if r.oneIn(4) {
		return pick(r, names...)
	}
	return strings.Join(some(r, 4, names...), pick(r, ",", ", ", " ,  "))
}

func (r random) matchers() []any {
	var list []any
	for range 1 + r.IntN(3) {
		m := object{}
		switch r.IntN(10) {
		case 0:
			m["prefix"] = pick(r, "https://app.example", "https://*.app.example", "*", "https://")
		case 1:
			m["suffix"] = pick(r, ".app.example", "app.example", "*")
		case 2:
			m["contains"] = pick(r, "app.example", "://", "*")
		case 3, 4, 5:
			m["safe_regex"] = object{"regex": pick(r, `https://.*\.app\.example`, `https://(www|api)\.app\.example`, `https?://app\.example(:[0-9]+)?`, `.*`,
				`https://app.example`, `https://[a-z]+\.app\.example`, `http://localhost:\d+`, `null`, `\*`, `https://*.app.example`)}
		default:
			m["exact"] = pick(r, "https://app.example", "https://app.example", "https://app.example", "https://www.app.example", "http://app.example", "*", "https://*", "null", "https://App.example", "http://localhost:3000")
		}
		if r.oneIn(8) && m["safe_regex"] == nil {
			m["ignore_case"] = true
		}
		list = append(list, m)
	}
	return list
}
