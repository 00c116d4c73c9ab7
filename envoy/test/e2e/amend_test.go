package e2e

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// object is a JSON object of a bootstrap.
type object = map[string]any

// generate writes c's bootstrap, whose access log names the test's case.
func generate(t *testing.T, c envoy.Config) object {
	t.Helper()
	b := envoytest.Bootstrap(t, c)
	log := manager(b)["access_log"].([]any)[0].(object)["typed_config"].(object)["log_format"].(object)
	format := log["json_format"].(object)
	format["case"] = "%REQ(" + caseHeader + ")%"
	format["asked"] = "%FILTER_STATE(corsgate:PLAIN)%" // what no-trip's ext_proc notes
	return b
}

// encode returns the bootstrap as Envoy reads it.
func encode(t *testing.T, b object) []byte {
	t.Helper()
	doc, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// manager is the HTTP connection manager of the traffic listener.
func manager(b object) object { return envoytest.Manager(b) }

// testHost is a virtual host of its own, made from the generated one that a
// policy's host would have.
type testHost struct {
	domain string
	// policy is the one that the virtual host names; empty means by host.
	policy string
	// routePolicy is the one that its routes name.
	routePolicy string
	// routeSays is what its routes say in corsgate's metadata, where that is no
	// name.
	routeSays object
	// routeContext is the one that the context extensions of its routes name,
	// for ext_authz only.
	routeContext string
	// bare leaves corsgate.static out.
	bare bool
	// only is the only path that has a route; empty means every path.
	only string
}

// amend adds routes that Envoy answers itself, filters that refuse, and the
// virtual hosts.
func amend(b object, hosts []testHost) {
	m, static := manager(b), b["static_resources"].(object)
	m["http_filters"] = withRefusals(m["http_filters"].([]any))
	static["clusters"] = append(static["clusters"].([]any), deadCluster())
	addHosts(b, hosts)
	for _, host := range m["route_config"].(object)["virtual_hosts"].([]any) {
		addRoutes(host.(object))
	}
}

// addHosts adds the virtual hosts, each made from the first one there is.
func addHosts(b object, hosts []testHost) {
	routes := manager(b)["route_config"].(object)
	all := routes["virtual_hosts"].([]any)
	generated := envoytest.Clone(all[0].(object))
	for _, h := range hosts {
		all = append(all, h.from(generated))
	}
	routes["virtual_hosts"] = all
}

// from makes the virtual host from a generated one.
func (h testHost) from(generated object) object {
	host := envoytest.Clone(generated)
	host["name"], host["domains"] = h.domain, []any{h.domain}
	if h.policy != "" {
		host["metadata"] = names(h.policy)
		nameInContext(host, h.policy)
	}
	if h.bare {
		removeStatic(host)
	}
	for _, route := range host["routes"].([]any) {
		h.change(route.(object))
	}
	return host
}

func (h testHost) change(route object) {
	if h.routePolicy != "" {
		route["metadata"] = names(h.routePolicy)
	}
	if h.routeSays != nil {
		route["metadata"] = object{"filter_metadata": object{"corsgate": h.routeSays}}
	}
	if h.routeContext != "" {
		merge(route, "typed_per_filter_config", contextOf(h.routeContext))
	}
	if h.only != "" {
		setPath(route, h.only)
	}
}

// contextOf names the policy in a context extension, and repeats the one that
// the generated configuration has there.
func contextOf(policy string) object {
	return object{"corsgate.decide": object{
		"@type":          "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
		"check_settings": object{"context_extensions": object{"headers": "metadata", "policy": policy}}}}
}

// removeStatic has the host and its routes not enable corsgate.static.
func removeStatic(host object) {
	for _, part := range append([]any{host}, host["routes"].([]any)...) {
		if perFilter, ok := part.(object)["typed_per_filter_config"].(object); ok {
			delete(perFilter, "corsgate.static")
		}
	}
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

// testRoutes are the paths that Envoy or a filter answers, or where Envoy asks
// the upstream twice.
var testRoutes = []struct {
	path   string
	change object // of the route that leads to the upstream
	filter object // per-filter configuration
}{
	{path: "/direct", change: object{"direct_response": object{"status": 200, "body": object{"inline_string": "direct"}}}},
	{path: "/redirect", change: object{"redirect": object{"path_redirect": "/elsewhere"}}},
	{path: "/dead", change: object{"route": object{"cluster": "dead"}}},
	{path: "/retried", change: object{"route": object{"cluster": "upstream", "retry_policy": object{
		"retry_on": "5xx", "num_retries": 1, "retry_back_off": object{"base_interval": "0.005s", "max_interval": "0.005s"}}}}},
	{path: "/followed", change: object{"route": object{"cluster": "upstream", "internal_redirect_policy": object{
		"max_internal_redirects": 1, "redirect_response_codes": []any{302}}}}},
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
	route = envoytest.Clone(route)
	setPath(route, path)
	if change != nil {
		delete(route, "route")
		maps.Copy(route, change)
	}
	if filter != nil {
		merge(route, "typed_per_filter_config", filter)
	}
	return route
}

// merge adds more to the object that is the value of v's key.
func merge(v object, key string, more object) {
	inner, _ := v[key].(object)
	if inner == nil {
		inner = object{}
	}
	maps.Copy(inner, more)
	v[key] = inner
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
