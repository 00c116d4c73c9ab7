package e2e

import (
	"testing"

	"github.com/corsgate/corsgate/envoy"
)

// routesPolicies are about hosts whose routes change the request. What they change
// into is of another policy.
const routesPolicies = `policies:
- name: late
  hosts: [late.test]
  deniedRequests: block
  cors: &cors {allowOrigins: [https://app.example, https://*.apps.example], allowMethods: [PUT], allowCredentials: true}
- name: paths
  hosts: [paths.test]
  paths: [/v1]
  cors: *cors
- name: origins
  hosts: [removes.test, sets.test]
  cors: *cors
- name: elsewhere
  hosts: [elsewhere.test]
  cors: {allowOrigins: ["*"]}
`

// changingHosts are virtual hosts whose routes change what corsgate decides by.
func changingHosts() []any {
	host := func(domain string, match, route, more object) any {
		merge(route, "route", object{"cluster": "upstream"})
		h := object{"name": domain, "domains": []any{domain}, "routes": []any{object{"name": "upstream", "match": match, "route": route["route"]}}}
		for key, value := range more {
			h[key] = value
		}
		return h
	}
	every := func() object { return object{"prefix": "/"} }
	to := func(key, value string) object { return object{"route": object{key: value}} }
	return []any{
		// A filter behind corsgate would set the header and have the route chosen again.
		host("late.test", object{"prefix": "/", "headers": []any{object{"name": "x-tenant", "present_match": true}}}, object{}, nil),
		host("paths.test", every(), to("prefix_rewrite", "/other/"), nil),
		host("unmanaged.test", every(), to("host_rewrite_literal", "elsewhere.test"), nil),
		host("removes.test", every(), object{}, object{"request_headers_to_remove": []any{"origin"}}),
		host("sets.test", every(), object{}, object{"request_headers_to_add": []any{object{
			"header": object{"key": "origin", "value": "https://backend.example"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
		}}}),
	}
}

var routesExchanges = []exchange{
	{
		name: "an allowed preflight that matches no route", do: "OPTIONS late.test/", with: []string{allowed, asksPut},
		want: of("204", "unseen", "preflight_allowed", "access-control-allow-credentials: true", "access-control-allow-origin: https://app.example", "access-control-allow-methods: PUT", preVary),
		// Envoy's ext_authz lets what matches no route pass: a fault filter answers. Its
		// answers have a body, and the log has no metadata of them.
		but: map[string][]string{"no-trip": of("200", "unseen", "-", "access-control-allow-credentials: true", "access-control-allow-origin: https://app.example", "access-control-allow-methods: PUT", preVary)},
	}, {
		name: "a denied preflight that matches no route", do: "OPTIONS late.test/", with: []string{denied, asksPut},
		want: of("403", "unseen", "preflight_origin_denied", preVary),
		but:  map[string][]string{"no-trip": of("403", "unseen", "-", preVary)},
	}, {
		name: "a blocked request that matches no route", do: "POST late.test/", with: []string{denied, "Sec-Fetch-Site: cross-site"},
		want: of("403", "unseen", "request_blocked", vary),
		but:  map[string][]string{"no-trip": of("403", "unseen", "-", vary)},
	}, {
		name: "a request whose path is rewritten", do: "GET paths.test/v1/x", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", "access-control-allow-credentials: true", "access-control-allow-origin: https://app.example", vary),
	}, {
		name: "a request whose origin is removed", do: "GET removes.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", "access-control-allow-credentials: true", "access-control-allow-origin: https://app.example", vary),
	}, {
		name: "a request whose origin is set", do: "GET sets.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", "access-control-allow-credentials: true", "access-control-allow-origin: https://app.example", vary),
	},
}

// withoutOriginExchanges have no Origin: what one-trip does without asking is
// another matter.
var withoutOriginExchanges = []exchange{
	{
		name: "no origin, and the path is rewritten", do: "GET paths.test/v1/x", answers: owns,
		want: of("200", "seen", "-", vary),
	}, {
		name: "no origin, and the host is rewritten to one of a policy", do: "GET unmanaged.test/", answers: owns,
		want: of("200", "seen", "-", owned),
	}, {
		name: "no origin, and one is set", do: "GET sets.test/", answers: owns,
		want: of("200", "seen", "-", vary),
	},
}

// TestRoutesThatChangeTheRequest holds that the request as it came is decided about,
// whatever routes make of it before its response comes.
func TestRoutesThatChangeTheRequest(t *testing.T) {
	up, service := startUpstream(t), startService(t, "127.0.0.1:0", routesPolicies)
	noTrip := func(c envoy.Compiled) envoy.Config {
		c.Folder, c.PolicyNames = t.TempDir(), true
		return envoy.Config{Profile: envoy.NoTrip, Compiled: c}
	}
	for name, c := range map[string]envoy.Config{
		"one-trip":               {Profile: envoy.OneTrip},
		"no-trip":                noTrip(envoy.Compiled{}),
		"no-trip/named policies": noTrip(envoy.Compiled{NamedPolicies: true}),
		"no-trip/shards":         noTrip(envoy.Compiled{Shards: 4}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := launch(t, name, c, up, service, func(b object) {
				routes := manager(b)["route_config"].(object)
				routes["virtual_hosts"] = append(routes["virtual_hosts"].([]any), changingHosts()...)
			})
			all := routesExchanges
			if c.Profile == envoy.NoTrip {
				all = concat(routesExchanges, withoutOriginExchanges)
			}
			s.compare(t, all)
		})
	}
}
