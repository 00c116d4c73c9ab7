package doctor_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// The configurations that are broken below.
var (
	oneTrip   = envoy.Config{Profile: envoy.OneTrip}
	twoPhase  = envoy.Config{Profile: envoy.TwoPhase}
	extAuthz  = envoy.Config{Profile: envoy.ExtAuthz}
	byRoute   = envoy.Config{Profile: envoy.OneTrip, MatchBy: envoy.ByRoute}
	delivered = envoy.Config{Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true}}
	fromFiles = envoy.Config{Profile: envoy.NoTrip, Compiled: envoy.Compiled{Feed: envoy.WholeFeed}}
)

// broken is a configuration that somebody could have written.
type broken struct {
	name   string
	config envoy.Config
	change func(b object)
	// file says that no Envoy takes it, so that it is read as a file.
	file bool
	// finds are the errors and warnings, each "CODE at PLACE"; parts of the place will do.
	// One with a question mark before it need not be there: Envoy counts it later.
	finds []string
}

const (
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http."
	chain      = "listener traffic, filter chain 0"
	everything = "route config traffic, virtual host all"
)

var brokens = []broken{
	{"no filter at all", oneTrip, func(b object) { setFilters(b, filters(b)[3:]) }, false, []string{"filters-missing at envoy"}},
	{"one of two listeners", oneTrip, func(b object) {
		addListener(b, "side", func(m object) { m["http_filters"] = m["http_filters"].([]any)[3:] })
	}, false,
		[]string{"chain-unguarded at listener side"}},
	{"one of two filter chains", oneTrip, addBareChain, false, []string{"chain-unguarded at listener traffic, filter chain (default)"}},
	{"jwt before", oneTrip, func(b object) { insert(b, 0, jwtFilter) }, false, []string{"filter-before at " + chain + ", filter jwt"}},
	{"jwt before a compiled filter", delivered, func(b object) { insert(b, 0, jwtFilter) }, false, []string{"filter-before at " + chain + ", filter jwt"}},
	{"rate limit before", twoPhase, func(b object) { insert(b, 0, limitFilter) }, false, []string{"filter-before at " + chain + ", filter limit"}},
	{"rbac between", oneTrip, func(b object) { insert(b, 1, rbacFilter) }, false, []string{"filter-between at " + chain + ", filter rbac"}},
	{"metadata between", oneTrip, func(b object) {
		insert(b, 1, typed("note", "header_to_metadata.v3.Config", object{"request_rules": []any{object{"header": "x-a", "on_header_present": object{"key": "a", "type": "STRING"}}}}))
	}, false, []string{"filter-between at " + chain + ", filter note"}},
	{"apply before decide", oneTrip, func(b object) { f := filters(b); f[0], f[1] = f[1], f[0] }, false, []string{"wrong-order at " + chain + ", filter corsgate.decide"}},
	{"apply missing", oneTrip, func(b object) { setFilters(b, slices.Delete(filters(b), 1, 2)) }, false, []string{"responses-not-edited at " + chain + ", filter corsgate.decide"}},
	{"apply of ext_authz missing", extAuthz, func(b object) { setFilters(b, slices.Delete(filters(b), 1, 2)) }, false, []string{"responses-not-edited at " + everything + ", route upstream"}},
	{"asked twice", oneTrip, func(b object) { insert(b, 3, envoytest.Clone(filters(b)[0].(object))) }, false, []string{"asked-twice at " + chain, "wrong-order at " + chain}},
	{"switched off on a route", oneTrip, func(b object) {
		perFilter(route(b), "corsgate.decide", off)
		perFilter(route(b), "corsgate.apply", off)
	}, false,
		[]string{"switched-off at " + everything + ", route upstream"}},
	{"switched off on a virtual host", delivered, func(b object) { perFilter(host(b), nameOf(filters(b)[0]), off) }, false, []string{"switched-off at " + everything}},
	{"decide alone switched off", oneTrip, func(b object) {
		perFilter(route(b), "corsgate.decide", object{"@type": typeURL + "ext_proc.v3.ExtProcPerRoute", "disabled": true})
	}, false, []string{"switched-off at " + everything, "half-switched-off at " + everything + ", route upstream"}},
	{"apply alone switched off", oneTrip, func(b object) { perFilter(host(b), "corsgate.apply", off) }, false, []string{"half-switched-off at " + everything}},
	{"ext_authz switched off", extAuthz, func(b object) {
		perFilter(route(b), "corsgate.decide", object{"@type": typeURL + "ext_authz.v3.ExtAuthzPerRoute", "disabled": true})
	}, false, []string{"switched-off at " + everything, "half-switched-off at " + everything}},
	{"never enabled", byRoute, func(b object) { delete(route(b), "typed_per_filter_config") }, false,
		[]string{"never-enabled at " + chain + ", filter corsgate.default", "never-enabled at " + chain + ", filter corsgate.decide", "never-enabled at " + chain + ", filter corsgate.apply"}},
	{"a route that does not enable", byRoute, func(b object) {
		extra := envoytest.Clone(route(b))
		delete(extra, "typed_per_filter_config")
		extra["name"], extra["match"] = "v2", object{"prefix": "/v2"}
		host(b)["routes"] = append([]any{extra}, host(b)["routes"].([]any)...)
	}, false, []string{"switched-off at " + everything + ", route v2"}},
	{"a host without static", oneTrip, func(b object) { addBareHost(b, "api", "api.test") }, false, []string{"host-without-part at route config traffic, virtual host api"}},
	{"a host without a context", extAuthz, func(b object) {
		extra := envoytest.Clone(host(b))
		delete(extra["typed_per_filter_config"].(object), "corsgate.decide")
		extra["name"], extra["domains"] = "api", []any{"api.test"}
		addHost(b, extra)
	}, false, []string{"host-without-part at route config traffic, virtual host api, route upstream"}},
	{"a name that no filter has", delivered, func(b object) { perFilter(host(b), "corsgate.decide", off) }, false, []string{"names-no-filter at " + everything}},
	{"switched off for a weighted cluster", delivered, func(b object) {
		route(b)["route"] = object{"weighted_clusters": object{"clusters": []any{
			object{"name": "upstream", "weight": 1}, object{"name": "upstream", "weight": 1, "typed_per_filter_config": object{nameOf(filters(b)[0]): off}}}}}
	}, false, []string{"switched-off at " + everything + ", route upstream, cluster upstream"}},
	{"routes for some methods", extAuthz, func(b object) { forMethods(route(b), object{"safe_regex": object{"regex": "GET|POST"}}) }, false,
		[]string{"preflights-not-routed at " + everything + ", route upstream"}},
	{"routes for one method, enabled on them", byRoute, func(b object) {
		for _, one := range host(b)["routes"].([]any) {
			forMethods(one.(object), object{"exact": "PUT"})
		}
	}, false, []string{"preflights-not-routed at " + everything + ", route upstream"}},
	{"routes for all methods but one", extAuthz, func(b object) {
		forMethods(route(b), object{"exact": "OPTIONS"})
		route(b)["match"].(object)["headers"].([]any)[0].(object)["invert_match"] = true
	}, false, []string{"preflights-not-routed at " + everything + ", route upstream"}},
	{"a route for preflights of another path", extAuthz, func(b object) {
		addRoute(b, "/v2")
		forMethods(route(b), object{"exact": "GET"})
	}, false, []string{"preflights-not-routed at " + everything + ", route upstream"}},
	{"a route for preflights beside", extAuthz, func(b object) {
		addRoute(b, "/")
		forMethods(route(b), object{"exact": "GET"})
	}, false, nil},
	{"OPTIONS among the methods", extAuthz, func(b object) { forMethods(route(b), object{"safe_regex": object{"regex": "GET|OPTIONS"}}) }, false, nil},
	{"routes for some methods behind ext_proc", oneTrip, func(b object) { forMethods(route(b), object{"exact": "GET"}) }, false, nil},
	{"routes for some methods behind a compiled filter", delivered, func(b object) { forMethods(route(b), object{"exact": "GET"}) }, false, nil},
	{"native cors on a host", oneTrip, func(b object) {
		insert(b, 3, typed("cors", "cors.v3.Cors", nil))
		perFilter(host(b), "cors", nativePolicy)
	}, false,
		[]string{"native-cors at " + everything}},
	{"native cors before", delivered, func(b object) {
		insert(b, 0, typed("cors", "cors.v3.Cors", nil))
		perFilter(route(b), "cors", nativePolicy)
	}, false,
		[]string{"native-cors at " + everything + ", route upstream"}},
	{"native cors, the old field", oneTrip, func(b object) {
		insert(b, 3, typed("cors", "cors.v3.Cors", nil))
		host(b)["cors"] = object{"allow_origin_string_match": []any{object{"exact": "https://a.example"}}}
	}, true, []string{"native-cors at " + everything}},
	{"a header on a route", oneTrip, func(b object) { route(b)["response_headers_to_add"] = grants }, false, []string{"cors-header-added at " + everything + ", route upstream"}},
	{"a header on a host", fromFiles, func(b object) { host(b)["response_headers_to_add"] = grants }, false, []string{"cors-header-added at " + everything}},
	{"a header on the route config", twoPhase, func(b object) {
		envoytest.Manager(b)["route_config"].(object)["response_headers_to_add"] = grants
	}, false, []string{"cors-header-added at route config traffic"}},
	{"a header on a weighted cluster", oneTrip, func(b object) {
		route(b)["route"] = object{"weighted_clusters": object{"clusters": []any{object{"name": "upstream", "weight": 1, "response_headers_to_add": grants}}}}
	}, false, []string{"cors-header-added at " + everything + ", route upstream, cluster upstream"}},
	{"a header mutation outside", oneTrip, func(b object) {
		insert(b, 0, typed("grant", "header_mutation.v3.HeaderMutation", object{"mutations": object{"response_mutations": []any{object{"append": grants[0]}}}}))
	}, false, []string{"cors-header-added at " + chain + ", filter grant"}},
	{"Vary that is taken away", oneTrip, func(b object) {
		insert(b, 0, typed("clean", "header_mutation.v3.HeaderMutation", object{"mutations": object{"response_mutations": []any{object{"remove": "vary"}}}}))
	}, false, []string{"cors-header-added at " + chain + ", filter clean"}},
	{"lua outside", oneTrip, func(b object) {
		insert(b, 0, typed("script", "lua.v3.Lua", object{"default_source_code": object{"inline_string": `function envoy_on_response(h) h:headers():add("Access-Control-Allow-Origin", "*") end`}}))
	}, false, []string{"cors-header-added at " + chain + ", filter script", "filter-before at " + chain + ", filter script"}},
	{"a header of local replies", oneTrip, func(b object) {
		envoytest.Manager(b)["local_reply_config"] = object{"mappers": []any{object{"filter": object{"status_code_filter": object{"comparison": object{"op": "GE", "value": object{"default_value": 500, "runtime_key": "x"}}}}, "headers_to_add": grants}}}
	}, false, []string{"cors-header-added at " + chain}},
	{"a header on a route of one scope", oneTrip, func(b object) {
		list := object{}
		routes := scopes(b, "apart", object{"scoped_route_configurations_list": list})
		other := envoytest.Clone(routes)
		other["name"] = "other"
		other["virtual_hosts"].([]any)[0].(object)["routes"].([]any)[0].(object)["response_headers_to_add"] = grants
		list["scoped_route_configurations"] = []any{scope("api", routes), scope("shop", other)}
	}, false, []string{"cors-header-added at route config other, virtual host all, route upstream"}},
	{"an Origin that is taken away", oneTrip, func(b object) {
		insert(b, 0, typed("clean", "header_mutation.v3.HeaderMutation", object{"mutations": object{"request_mutations": []any{object{"remove": "origin"}}}}))
	}, false, []string{"origin-changed at " + chain + ", filter clean"}},
	{"an Origin that is taken away early", oneTrip, func(b object) {
		envoytest.Manager(b)["early_header_mutation_extensions"] = []any{object{"name": "clean", "typed_config": object{
			"@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", "mutations": []any{object{"remove": "Origin"}}}}}
	}, false, []string{"origin-changed at " + chain}},
	{"an Origin that a script takes away", delivered, func(b object) {
		insert(b, 0, typed("script", "lua.v3.Lua", object{"default_source_code": object{"inline_string": `function envoy_on_request(h) h:headers():remove("Origin") end`}}))
	}, false, []string{"origin-changed at " + chain + ", filter script", "filter-before at " + chain + ", filter script"}},
	{"csrf behind", oneTrip, func(b object) { insert(b, 3, csrfFilter) }, false, []string{"csrf-behind at " + chain + ", filter csrf"}},
	{"csrf before", oneTrip, func(b object) { insert(b, 0, csrfFilter) }, false, []string{"filter-before at " + chain + ", filter csrf"}},
	{"a buffer behind", oneTrip, func(b object) {
		insert(b, 3, typed("buffer", "buffer.v3.Buffer", object{"max_request_bytes": 1 << 20}))
	}, false,
		[]string{"body-limit at " + chain + ", filter buffer"}},
	{"no normalisation", oneTrip, func(b object) { delete(envoytest.Manager(b), "normalize_path") }, false, []string{"path-not-normalised at " + chain}},
	{"no requests", oneTrip, func(b object) { ask(b)["processing_mode"].(object)["request_header_mode"] = "SKIP" }, false, []string{"requests-not-sent at " + chain + ", filter corsgate.decide"}},
	{"no responses", twoPhase, func(b object) { ask(b)["processing_mode"].(object)["response_header_mode"] = "SKIP" }, false, []string{"responses-not-edited at " + chain + ", filter corsgate.decide"}},
	{"no responses on a route", twoPhase, func(b object) {
		perFilter(route(b), "corsgate.decide", object{"@type": typeURL + "ext_proc.v3.ExtProcPerRoute", "overrides": object{"processing_mode": object{"response_header_mode": "SKIP"}}})
	}, false, []string{"responses-not-edited at " + everything + ", route upstream"}},
	{"bodies", twoPhase, func(b object) { ask(b)["processing_mode"].(object)["request_body_mode"] = "BUFFERED" }, false, []string{"bodies-sent at " + chain}},
	{"full duplex", twoPhase, func(b object) {
		maps.Copy(ask(b)["processing_mode"].(object), object{"response_body_mode": "FULL_DUPLEX_STREAMED", "response_trailer_mode": "SEND"})
	}, false, []string{"bodies-sent at " + chain}},
	{"bodies to ext_authz", extAuthz, func(b object) { ask(b)["with_request_body"] = object{"max_request_bytes": 1024} }, false, []string{"bodies-sent at " + chain}},
	{"answers that are ignored", oneTrip, func(b object) { ask(b)["observability_mode"] = true }, false, []string{"answers-ignored at " + chain}},
	{"no immediate answers", oneTrip, func(b object) { ask(b)["disable_immediate_response"] = true }, false, []string{"immediate-answers-off at " + chain}},
	{"headers that are kept", oneTrip, func(b object) {
		ask(b)["forward_rules"] = object{"allowed_headers": object{"patterns": []any{object{"exact": ":path"}}}}
	}, false,
		[]string{"headers-withheld at " + chain}},
	{"headers that are kept from ext_authz", extAuthz, func(b object) { ask(b)["allowed_headers"] = object{"patterns": []any{object{"prefix": "x-"}}} }, false, []string{"headers-withheld at " + chain}},
	{"mutations that are refused", twoPhase, func(b object) { delete(ask(b)["mutation_rules"].(object), "allow_expression") }, false, []string{"mutations-refused at " + chain}},
	{"metadata that is refused", oneTrip, func(b object) { delete(ask(b), "metadata_options") }, false, []string{"metadata-refused at " + chain}},
	{"apply of ext_authz", oneTrip, func(b object) { replace(filters(b)[1], "filter", "envoy.filters.http.ext_authz") }, false,
		[]string{"metadata-refused at " + chain + ", filter corsgate.apply"}},
	{"apply of ext_proc", extAuthz, func(b object) { replace(filters(b)[1], "filter", "corsgate") }, false,
		[]string{"metadata-refused at " + chain + ", filter corsgate.apply"}},
	{"asked by chance", extAuthz, func(b object) {
		ask(b)["filter_enabled"] = object{"default_value": object{"numerator": 50, "denominator": "HUNDRED"}}
	}, false,
		[]string{"asked-by-chance at " + chain}},
	{"asked about some", oneTrip, func(b object) { find(filters(b)[0], "header_name")["header_name"] = "x-origin" }, false, []string{"asked-about-some at " + chain}},
	{"asked about some origins", oneTrip, func(b object) { find(find(filters(b)[0], "value_match"), "regex")["regex"] = "http://.+" }, false, []string{"asked-about-some at " + chain}},
	{"a name of no policy", oneTrip, func(b object) { host(b)["metadata"] = naming("no-such") }, false, []string{"policy-unknown at " + everything}},
	{"a name that is not sent", oneTrip, func(b object) { host(b)["metadata"] = naming("app"); delete(ask(b), "request_attributes") }, false, []string{"name-not-sent at " + everything}},
	{"a name that no filter looks at", delivered, func(b object) { route(b)["metadata"] = naming("app") }, false, []string{"name-not-sent at " + everything + ", route upstream"}},
	{"an incomplete apply", oneTrip, func(b object) {
		list := find(filters(b)[1], "matchers")
		list["matchers"] = list["matchers"].([]any)[:2]
	}, false, []string{"apply-incomplete at " + chain + ", filter corsgate.apply"}},
	{"no default", oneTrip, func(b object) {
		list := find(filters(b)[0], "filter_chain")["filter_chain"].(object)
		list["typed_config"] = list["typed_config"].([]any)[1:]
	}, false, []string{"default-missing at " + chain + ", filter corsgate.decide"}},
	{"no time", oneTrip, func(b object) { ask(b)["message_timeout"] = "0s" }, false, []string{"timeout at " + chain}},
	{"too much time", oneTrip, func(b object) { ask(b)["message_timeout"] = "90s" }, false, []string{"timeout at " + chain}},
	{"no time for ext_authz", extAuthz, func(b object) { ask(b)["grpc_service"].(object)["timeout"] = "0s" }, false, []string{"timeout at " + chain}},
	{"other failures on another listener", oneTrip, func(b object) {
		addListener(b, "side", func(m object) { find(m, "failure_mode_allow")["failure_mode_allow"] = false })
	}, false, []string{"failure-modes-differ at listener side"}},
	{"a wrong cluster", oneTrip, func(b object) { ask(b)["grpc_service"] = object{"envoy_grpc": object{"cluster_name": "corsgatee"}} }, false, []string{"cluster-missing at " + chain}},
	{"a wrong cluster on a route", oneTrip, func(b object) {
		perFilter(route(b), "corsgate.decide", object{"@type": typeURL + "ext_proc.v3.ExtProcPerRoute", "overrides": object{"grpc_service": object{"envoy_grpc": object{"cluster_name": "corsgatee"}}}})
	}, false, []string{"cluster-missing at " + everything + ", route upstream"}},
	{"HTTP/1", oneTrip, func(b object) {
		delete(cluster(b), "typed_extension_protocol_options")
		delete(cluster(b), "health_checks")
	}, false,
		[]string{"cluster-not-http2 at cluster corsgate", "cluster-health-check at cluster corsgate"}},
	{"what the client speaks", oneTrip, func(b object) {
		o := find(cluster(b), "explicit_http_config")
		o["use_downstream_protocol_config"] = o["explicit_http_config"]
		delete(o, "explicit_http_config")
	}, false, []string{"cluster-not-http2 at cluster corsgate"}},
	{"TLS to a service without", oneTrip, func(b object) {
		cluster(b)["transport_socket"] = object{"name": "envoy.transport_sockets.tls", "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"}}
	}, false, []string{"cluster-unhealthy at cluster corsgate", "counter at counter cluster.corsgate.ssl.connection_error"}},
	{"nobody there", oneTrip, func(b object) { find(cluster(b), "port_value")["port_value"] = 1 }, false, []string{"cluster-unhealthy at cluster corsgate"}},
	{"a health check of another name", oneTrip, func(b object) {
		find(cluster(b), "grpc_health_check")["grpc_health_check"] = object{"service_name": "corsgate"}
	}, false, []string{"cluster-health-check at cluster corsgate", "cluster-unhealthy at cluster corsgate"}},
	{"no health check", oneTrip, func(b object) { delete(cluster(b), "health_checks") }, false, []string{"cluster-health-check at cluster corsgate"}},
	{"default limits", oneTrip, func(b object) { delete(cluster(b), "circuit_breakers") }, false, []string{"cluster-limits at cluster corsgate"}},
	{"few may wait", oneTrip, func(b object) { find(cluster(b), "max_pending_requests")["max_pending_requests"] = 8 }, false, []string{"cluster-limits at cluster corsgate"}},
	{"pings too often", oneTrip, func(b object) {
		find(cluster(b), "connection_keepalive")["connection_keepalive"].(object)["interval"] = "0.1s"
	}, false,
		[]string{"cluster-keepalive at cluster corsgate"}},
	{"a name that corsgate does not deliver", delivered, func(b object) { filters(b)[0].(object)["name"] = "corsgate.fast" }, false,
		[]string{"filter-not-delivered at " + chain + ", filter corsgate.fast", "?counter at extension_config_discovery"}},
	{"an http_service", extAuthz, func(b object) {
		a := ask(b)
		delete(a, "grpc_service")
		a["http_service"] = object{"server_uri": object{"uri": "http://127.0.0.1:1", "cluster": "corsgate", "timeout": "1s"}}
	}, false, []string{"not-grpc at " + chain}},
	{"a file without the filter", fromFiles, func(b object) { overwrite(b, `{"version_info": "1", "resources": []}`) }, false,
		[]string{"filter-not-delivered at " + chain + ", filter corsgate", "filter-refused at " + chain}},
	{"a file that is no JSON", fromFiles, func(b object) { overwrite(b, "not json") }, false, []string{"filter-not-delivered at " + chain + ", filter corsgate", "?filter-refused at " + chain}},
	{"the router first", delivered, func(b object) { slices.Reverse(envoytest.Manager(b)["http_filters"].([]any)) }, true,
		[]string{"router-not-last at " + chain + ", filter envoy.filters.http.router"}},
	{"no router", oneTrip, func(b object) { envoytest.Manager(b)["http_filters"] = filters(b) }, true, []string{"router-missing at " + chain}},
}

// TestBrokenIsFound runs each broken configuration in a real Envoy, and reads it as the
// command does. Nothing else is complained about.
func TestBrokenIsFound(t *testing.T) {
	s := startStack(t, "127.0.0.1:0")
	for _, b := range brokens {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			boot := s.bootstrap(t, b.config)
			b.change(boot)
			if b.file {
				b.check(t, examine(t, doctor.Input{Config: encode(t, boot)}))
				return
			}
			e := envoytest.Start(t, encode(t, boot))
			b.check(t, await(t, s, e, strings.Join(b.finds, "; "), func(r doctor.Report) bool { return b.diff(r) == "" }))
		})
	}
}

func (b broken) check(t *testing.T, r doctor.Report) {
	t.Helper()
	if diff := b.diff(r); diff != "" {
		t.Errorf("%s; found\n%s", diff, text(r))
	}
}

// diff says what is missing among the findings, or what is there besides.
func (b broken) diff(r doctor.Report) string {
	wanted := map[string]bool{}
	for _, f := range r.Findings[:r.Errors+r.Warnings] {
		i := slices.IndexFunc(b.finds, func(want string) bool {
			code, place, _ := strings.Cut(want, " at ")
			return f.Code == strings.TrimPrefix(code, "?") && strings.Contains(f.Place.String(), place)
		})
		if i < 0 {
			return "not wanted: " + f.Code + " at " + f.Place.String()
		}
		wanted[b.finds[i]] = true
	}
	for _, want := range b.finds {
		if !wanted[want] && want[0] != '?' {
			return "not found: " + want
		}
	}
	return ""
}

var (
	jwtFilter = typed("jwt", "jwt_authn.v3.JwtAuthentication", object{
		"providers": object{"p": object{"issuer": "i", "local_jwks": object{"inline_string": `{"keys": [{"kty": "oct", "kid": "a", "alg": "HS256", "k": "aGVsbG8"}]}`}}},
		"rules":     []any{object{"match": object{"prefix": "/"}, "requires": object{"provider_name": "p"}}},
	})
	rbacFilter  = typed("rbac", "rbac.v3.RBAC", object{"rules": object{"action": "ALLOW", "policies": object{}}})
	always      = object{"default_value": object{"numerator": 100, "denominator": "HUNDRED"}}
	limitFilter = typed("limit", "local_ratelimit.v3.LocalRateLimit", object{"stat_prefix": "limit", "filter_enabled": always, "filter_enforced": always,
		"token_bucket": object{"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "60s"}})
	csrfFilter   = typed("csrf", "csrf.v3.CsrfPolicy", object{"filter_enabled": always})
	nativePolicy = object{"@type": typeURL + "cors.v3.CorsPolicy", "allow_origin_string_match": []any{object{"exact": "https://a.example"}}}
	off          = object{"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}
	grants       = []any{object{"header": object{"key": "Access-Control-Allow-Origin", "value": "*"}}}
)

func naming(policy string) object {
	return object{"filter_metadata": object{"corsgate": object{"policy": policy}}}
}

func typed(name, kind string, config object) object {
	all := object{"@type": typeURL + kind}
	maps.Copy(all, config)
	return object{"name": name, "typed_config": all}
}

// filters are the HTTP filters of the traffic listener, without the router.
func filters(b object) []any {
	all := envoytest.Manager(b)["http_filters"].([]any)
	return all[: len(all)-1 : len(all)-1]
}

func setFilters(b object, list []any) {
	m := envoytest.Manager(b)
	all := m["http_filters"].([]any)
	m["http_filters"] = append(slices.Clone(list), all[len(all)-1])
}

func nameOf(filter any) string { return filter.(object)["name"].(string) }

func insert(b object, i int, filter object) {
	setFilters(b, slices.Insert(slices.Clone(filters(b)), i, any(filter)))
}

func host(b object) object {
	return envoytest.Manager(b)["route_config"].(object)["virtual_hosts"].([]any)[0].(object)
}

func addHost(b, host object) {
	routes := envoytest.Manager(b)["route_config"].(object)
	routes["virtual_hosts"] = append(routes["virtual_hosts"].([]any), host)
}

// addBareHost adds a virtual host like the one that is there, but without what that says of
// the filters.
func addBareHost(b object, name string, domains ...any) {
	extra := envoytest.Clone(host(b))
	delete(extra, "typed_per_filter_config")
	extra["name"], extra["domains"] = name, domains
	addHost(b, extra)
}

func route(b object) object { return host(b)["routes"].([]any)[0].(object) }

// forMethods has a route take requests whose method is as a matcher says.
func forMethods(route object, method object) {
	match := route["match"].(object)
	headers, _ := match["headers"].([]any)
	match["headers"] = append([]any{object{"name": ":method", "string_match": method}}, headers...)
}

// addRoute adds a copy of the route, behind it and for another prefix.
func addRoute(b object, prefix string) {
	extra := envoytest.Clone(route(b))
	extra["name"], extra["match"] = "extra", object{"prefix": prefix}
	host(b)["routes"] = append(host(b)["routes"].([]any), extra)
}

// overwrite changes the file that the filter is read from.
func overwrite(b object, text string) {
	if err := os.WriteFile(find(filters(b)[0], "path")["path"].(string), []byte(text), 0o600); err != nil {
		panic(err)
	}
}

func perFilter(of object, name string, config object) {
	all, _ := of["typed_per_filter_config"].(object)
	if all == nil {
		all = object{}
	}
	all[name] = config
	of["typed_per_filter_config"] = all
}

// ask is the configuration of the filter that asks.
func ask(b object) object { return find(filters(b)[0], "grpc_service") }

func cluster(b object) object {
	return b["static_resources"].(object)["clusters"].([]any)[1].(object)
}

// find returns the first object that has a key, at any depth.
func find(v any, key string) object {
	switch v := v.(type) {
	case object:
		if _, ok := v[key]; ok {
			return v
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if found := find(v[name], key); found != nil {
				return found
			}
		}
	case []any:
		for _, one := range v {
			if found := find(one, key); found != nil {
				return found
			}
		}
	}
	return nil
}

// replace gives all texts with a key another value, at any depth.
func replace(v any, key, value string) {
	switch v := v.(type) {
	case object:
		for name, inner := range v {
			if _, is := inner.(string); is && name == key {
				v[name] = value
			}
			replace(inner, key, value)
		}
	case []any:
		for _, one := range v {
			replace(one, key, value)
		}
	}
}

// addListener adds a copy of the traffic listener, changed.
func addListener(b object, name string, change func(manager object)) {
	static := b["static_resources"].(object)
	l := envoytest.Clone(static["listeners"].([]any)[0].(object))
	l["name"] = name
	change(find(l, "http_filters"))
	static["listeners"] = append(static["listeners"].([]any), l)
}

// addBareChain adds a filter chain without corsgate's filters.
func addBareChain(b object) {
	l := b["static_resources"].(object)["listeners"].([]any)[0].(object)
	bare := envoytest.Clone(l["filter_chains"].([]any)[0].(object))
	m := find(bare, "http_filters")
	m["http_filters"] = m["http_filters"].([]any)[3:]
	l["default_filter_chain"] = bare
	l["filter_chains"].([]any)[0].(object)["filter_chain_match"] = object{"source_prefix_ranges": []any{object{"address_prefix": "127.0.0.0", "prefix_len": 8}}}
}
