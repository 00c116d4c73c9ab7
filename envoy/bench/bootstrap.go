package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/corsgate/corsgate/envoy"
)

// object is a JSON object of a bootstrap.
type object = map[string]any

// parts are the places of a generated bootstrap that the benchmark changes.
type parts struct {
	bootstrap, manager, host object
}

// patience is how long an answer may take. Many processes are measured side by
// side, and a slow one must not count as dead.
const patience = "60s"

// generated returns the bootstrap that "corsgate envoy-config" prints for c, with the
// feed and the statistics that c asks for. It never writes an access log, since the cost
// of one depends on its format.
func generated(c envoy.Config) (parts, error) {
	c.Listen, c.MessageTimeout = "127.0.0.1:0", time.Minute
	doc, err := c.JSON()
	if err != nil {
		return parts{}, err
	}
	var b object
	if err := json.Unmarshal(doc, &b); err != nil {
		return parts{}, fmt.Errorf("read the bootstrap: %w", err)
	}
	listener := b["static_resources"].(object)["listeners"].([]any)[0].(object)
	chain := listener["filter_chains"].([]any)[0].(object)
	manager := chain["filters"].([]any)[0].(object)["typed_config"].(object)
	host := manager["route_config"].(object)["virtual_hosts"].([]any)[0].(object)
	manager["access_log"] = manager["access_log"].([]any)[1:]
	p := parts{bootstrap: b, manager: manager, host: host}
	p.clusters()[1].(object)["health_checks"].([]any)[0].(object)["timeout"] = patience
	return p, nil
}

// plain returns a bootstrap with these filters before the router, and with nothing of
// corsgate. perHost configures them on the virtual host.
func plain(upstream string, perHost object, filters ...any) (parts, error) {
	p, err := generated(envoy.Config{Profile: envoy.OneTrip, WithoutOrigin: envoy.WithoutOriginLeave, Upstream: upstream, Service: "127.0.0.1:1"})
	if err != nil {
		return p, err
	}
	all := p.manager["http_filters"].([]any)
	router := all[len(all)-1]
	p.manager["http_filters"] = append(filters, router)
	delete(p.host, "typed_per_filter_config")
	if perHost != nil {
		p.host["typed_per_filter_config"] = perHost
	}
	p.setClusters(p.clusters()[:1]) // the upstream's alone
	return p, nil
}

func (p parts) clusters() []any { return p.bootstrap["static_resources"].(object)["clusters"].([]any) }

func (p parts) setClusters(list []any) { p.bootstrap["static_resources"].(object)["clusters"] = list }

// withNoop is an ordinary ext_proc filter: every request and its response go to
// the service, with all their headers.
func withNoop(upstream, service string) (parts, error) {
	p, err := plain(upstream, nil, object{
		"name": "noop",
		"typed_config": object{
			"@type":           "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
			"grpc_service":    object{"envoy_grpc": object{"cluster_name": "noop"}},
			"processing_mode": object{"request_header_mode": "SEND", "response_header_mode": "SEND"},
			"message_timeout": patience,
		},
	})
	if err != nil {
		return p, err
	}
	p.setClusters(append(p.clusters(), object{
		"name": "noop",
		"load_assignment": object{"cluster_name": "noop", "endpoints": []any{object{"lb_endpoints": []any{
			object{"endpoint": object{"address": addressOf(service)}},
		}}}},
		"typed_extension_protocol_options": object{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
			"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			"explicit_http_config": object{"http2_protocol_options": object{}},
		}},
	}))
	return p, nil
}

// withNative is Envoy's own cors filter with the benchmark's policy.
func withNative(upstream string, origins []string) (parts, error) {
	var list []any
	for _, origin := range origins {
		list = append(list, matchNative(origin))
	}
	perHost := object{"envoy.filters.http.cors": object{
		"@type":                     "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
		"allow_origin_string_match": list,
		"allow_methods":             "GET, PUT, DELETE", "allow_headers": "authorization, content-type", "expose_headers": "x-request-id",
		"allow_credentials": true, "max_age": "600",
	}}
	return plain(upstream, perHost, object{
		"name":         "envoy.filters.http.cors",
		"typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
	})
}

// matchNative is an origin, which may have a star for subdomains or the port, as
// Envoy's own filter matches it.
func matchNative(origin string) object {
	if !strings.Contains(origin, "*") {
		return object{"exact": origin}
	}
	text := strings.NewReplacer(`\*\.`, `[a-z0-9.-]+\.`, `:\*`, `(:[0-9]+)?`).Replace(regexp.QuoteMeta(origin))
	return object{"safe_regex": object{"regex": text}}
}
