package e2e

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// object is a JSON object of a bootstrap.
type object = map[string]any

// bootstrap writes c's bootstrap and adds what only the tests need: routes that
// Envoy answers itself, filters that refuse, and virtual hosts of their own.
func bootstrap(t *testing.T, c envoy.Config, hosts ...testHost) []byte {
	t.Helper()
	doc, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var b object
	if err := json.Unmarshal(doc, &b); err != nil {
		t.Fatal(err)
	}
	amend(b, hosts)
	if doc, err = json.Marshal(b); err != nil {
		t.Fatal(err)
	}
	return doc
}

// testHost is a virtual host of its own, made from the generated one that a
// policy's host would have.
type testHost struct {
	domain string
	// policy is the one that the virtual host names; empty means by host.
	policy string
	// routePolicy is the one that its routes name.
	routePolicy string
	// only is the only path that has a route; empty means every path.
	only string
}

func amend(b object, hosts []testHost) {
	static := b["static_resources"].(object)
	listener := static["listeners"].([]any)[0].(object)
	chain := listener["filter_chains"].([]any)[0].(object)
	manager := chain["filters"].([]any)[0].(object)["typed_config"].(object)
	manager["http_filters"] = withRefusals(manager["http_filters"].([]any))
	static["clusters"] = append(static["clusters"].([]any), deadCluster())

	routes := manager["route_config"].(object)
	generated := routes["virtual_hosts"].([]any)
	all := generated
	for _, h := range hosts {
		all = append(all, h.from(generated[0].(object)))
	}
	for _, host := range all {
		addRoutes(host.(object))
	}
	routes["virtual_hosts"] = all
}

// from makes the virtual host from a generated one.
func (h testHost) from(generated object) object {
	host := clone(generated)
	host["name"], host["domains"] = h.domain, []any{h.domain}
	if h.policy != "" {
		host["metadata"] = names(h.policy)
		nameInContext(host, h.policy)
	}
	for _, route := range host["routes"].([]any) {
		if h.routePolicy != "" {
			route.(object)["metadata"] = names(h.routePolicy)
		}
		if h.only != "" {
			setPath(route.(object), h.only)
		}
	}
	return host
}

// names is the metadata that names a policy.
func names(policy string) object {
	return object{"filter_metadata": object{"corsgate": object{"policy": policy}}}
}

// nameInContext names the policy where ext_authz is told of it: in the context
// extensions, wherever there are some.
func nameInContext(v any, policy string) {
	switch v := v.(type) {
	case object:
		if extensions, ok := v["context_extensions"].(object); ok {
			extensions["policy"] = policy
		}
		for _, inner := range v {
			nameInContext(inner, policy)
		}
	case []any:
		for _, inner := range v {
			nameInContext(inner, policy)
		}
	}
}

// testRoutes are the paths that Envoy or a filter answers.
var testRoutes = []struct {
	path   string
	change object // of the route that leads to the upstream
	filter object // per-filter configuration
}{
	{path: "/direct", change: object{"direct_response": object{"status": 200, "body": object{"inline_string": "direct"}}}},
	{path: "/redirect", change: object{"redirect": object{"path_redirect": "/elsewhere"}}},
	{path: "/dead", change: object{"route": object{"cluster": "dead"}}},
	{path: "/limited", filter: object{"test.limit": limit(0)}},
	{path: "/private", filter: object{"test.password": object{
		"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": object{}}}},
}

// addRoutes puts a route for each of testRoutes before each route of the host,
// with what that says of headers and filters. A host without a route for every
// path is left alone.
func addRoutes(host object) {
	var all []any
	generated := host["routes"].([]any)
	if _, whole := generated[0].(object)["match"].(object)["prefix"]; !whole {
		return
	}
	for _, extra := range testRoutes {
		for _, route := range generated {
			all = append(all, variation(route.(object), extra.path, extra.change, extra.filter))
		}
	}
	host["routes"] = append(all, generated...)
}

func variation(route object, path string, change, filter object) object {
	route = clone(route)
	setPath(route, path)
	if change != nil {
		delete(route, "route")
		maps.Copy(route, change)
	}
	if filter != nil {
		perFilter, _ := route["typed_per_filter_config"].(object)
		if perFilter == nil {
			perFilter = object{}
		}
		maps.Copy(perFilter, filter)
		route["typed_per_filter_config"] = perFilter
	}
	return route
}

func setPath(route object, path string) {
	match := route["match"].(object)
	delete(match, "prefix")
	match["path"] = path
}

// withRefusals puts filters before the router that refuse on some routes only.
func withRefusals(filters []any) []any {
	router := len(filters) - 1
	return append(filters[:router:router],
		object{"name": "test.limit", "typed_config": object{
			"@type": localRateLimit, "stat_prefix": "limit"}},
		object{"name": "test.password", "disabled": true, "typed_config": object{
			"@type": "type.googleapis.com/envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
			"users": object{"inline_string": "user:{SHA}hGFoPMOvwbZ4K0ICTWBRwcVmnnw="}}},
		filters[router])
}

const localRateLimit = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

// limit lets that many requests through, and no more.
func limit(requests int) object {
	always := object{"default_value": object{"numerator": 100, "denominator": "HUNDRED"}}
	return object{"@type": localRateLimit, "stat_prefix": "limit", "filter_enabled": always, "filter_enforced": always,
		"token_bucket": object{"max_tokens": requests, "tokens_per_fill": 1, "fill_interval": "3600s"}}
}

// deadCluster has an endpoint that nobody listens on.
func deadCluster() object {
	return object{"name": "dead", "type": "STATIC", "connect_timeout": "1s", "load_assignment": object{
		"cluster_name": "dead", "endpoints": []any{object{"lb_endpoints": []any{object{"endpoint": object{
			"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 1}}}}}}}}}
}

// clone copies a JSON object deeply.
func clone(v object) object { return cloneValue(v).(object) }

func cloneValue(v any) any {
	switch v := v.(type) {
	case object:
		c := object{}
		for name, inner := range v {
			c[name] = cloneValue(inner)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, inner := range v {
			c[i] = cloneValue(inner)
		}
		return c
	default:
		return v
	}
}
