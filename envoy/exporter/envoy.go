package exporter

import (
	"cmp"
	"strconv"
	"strings"
)

// object is a part of a document.
type object = map[string]any

// The CORS headers of responses, which an upstream may send, too.
var corsHeaders = []string{
	"access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods", "access-control-allow-headers",
	"access-control-allow-private-network", "access-control-expose-headers", "access-control-max-age",
}

const typeOf = "type.googleapis.com/envoy.extensions.filters.http.cors.v3."

// corsFilter is the name of Envoy's cors filter.
const corsFilter = "envoy.filters.http.cors"

// writeEnvoy returns the filter and the virtual hosts. Ports in a request's host do not
// matter, as they do not to policies.
func writeEnvoy(sites []site) []any {
	var hosts []any
	for _, s := range sites {
		var routes []any
		for _, r := range s.routes {
			routes = append(routes, envoyRoute(r))
		}
		domain := cmp.Or(s.host, "*")
		hosts = append(hosts, object{"name": domain, "domains": []string{domain}, "routes": routes})
	}
	return []any{object{
		"http_filters": []any{object{"name": corsFilter, "typed_config": object{"@type": typeOf + "Cors"}}},
		"route_config": object{"name": "corsgate", "ignore_port_in_host_matching": true, "virtual_hosts": hosts},
	}}
}

func envoyRoute(r route) object {
	route := object{"match": object{"prefix": "/"}, "route": object{"cluster": "upstream"}}
	if r.path != "" {
		route["match"] = object{"path_separated_prefix": r.path}
	}
	if r.rule == nil {
		return route
	}
	route["typed_per_filter_config"] = object{corsFilter: r.rule.envoy()}
	route["response_headers_to_add"] = []any{object{"header": object{"key": "vary", "value": "Origin"}}}
	if r.rule.strips {
		route["response_headers_to_remove"] = corsHeaders
	}
	return route
}

// envoy returns the CorsPolicy of a rule.
func (r *rule) envoy() object {
	var origins []any
	for _, o := range r.origins {
		match := object{"exact": o.text}
		if o.isRegex {
			match = object{"safe_regex": object{"regex": o.text}}
		}
		origins = append(origins, match)
	}
	p := object{
		"@type": typeOf + "CorsPolicy", "allow_origin_string_match": origins,
		"allow_credentials": r.credentials, "forward_not_matching_preflights": r.forwards, "allow_private_network_access": r.pna,
	}
	for name, list := range map[string][]string{"allow_methods": r.methods, "allow_headers": r.headers, "expose_headers": r.exposed} {
		if len(list) > 0 {
			p[name] = strings.Join(list, ",")
		}
	}
	if r.maxAge != nil {
		p["max_age"] = strconv.Itoa(*r.maxAge)
	}
	return p
}
