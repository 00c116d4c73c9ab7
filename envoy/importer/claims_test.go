package importer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/contour"
	"github.com/corsgate/corsgate/envoy/importer/envoygateway"
	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/kong"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// TestClaims has parts of configurations as people paste them, and the system that each is of.
func TestClaims(t *testing.T) {
	claims := map[string]func(tree.Node) bool{
		"gateway-api": gatewayapi.Claims, "envoy-gateway": envoygateway.Claims, "contour": contour.Claims, "kong": kong.Claims,
	}
	for text, want := range map[string]string{
		"kind: HTTPRoute": "gateway-api",
		"{kind: Gateway, apiVersion: gateway.networking.k8s.io/v1}":                                                     "gateway-api",
		"{kind: Gateway, apiVersion: networking.istio.io/v1}":                                                           "",
		"{kind: HTTPRoute, apiVersion: gateway.networking.k8s.io/v1, metadata: {annotations: {konghq.com/plugins: a}}}": "gateway-api kong",
		"spec: {rules: [{filters: [{type: CORS, cors: {allowOrigins: [a]}}]}]}":                                         "gateway-api",
		"rules: [{filters: [{type: CORS, cors: {allowOrigins: [a]}}]}]":                                                 "gateway-api",
		"rules: [{host: a, http: {paths: []}}]":                                                                         "",
		"filters: [{type: CORS, cors: {allowOrigins: [a]}}]":                                                            "gateway-api",
		"[{type: CORS, cors: {allowOrigins: [a]}}]":                                                                     "gateway-api",
		"{type: CORS, cors: {allowOrigins: [a]}}":                                                                       "gateway-api",
		"cors: {allowOrigins: [a], maxAge: 5}":                                                                          "gateway-api",
		"cors: {allowOrigins: [a], maxAge: 5m}":                                                                         "envoy-gateway",
		"cors: {allowOrigins: [{type: Exact, value: a}]}":                                                               "envoy-gateway",
		"spec: {targetRefs: [], cors: {allowOrigins: [a]}}":                                                             "envoy-gateway",
		"allowOrigins: [a]": "envoy-gateway",
		"{kind: GatewayClass, apiVersion: gateway.networking.k8s.io/v1, spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}}": "envoy-gateway",
		"{kind: GatewayClass, apiVersion: gateway.networking.k8s.io/v1, spec: {controllerName: example.com/other}}":                             "",
		"{kind: SecurityPolicy, apiVersion: gateway.envoyproxy.io/v1alpha1}":                                                                    "envoy-gateway",
		"{kind: SecurityPolicy, apiVersion: example.com/v1}":                                                                                    "",
		"kind: HTTPProxy": "contour",
		"{kind: TLSCertificateDelegation, apiVersion: projectcontour.io/v1}":       "",
		"virtualhost: {fqdn: a.example}":                                           "contour",
		"spec: {virtualhost: {fqdn: a.example}}":                                   "contour",
		"corsPolicy: {allowOrigin: ['https://.*a']}":                               "contour",
		"corsPolicy: {allowOrigin: '*.a'}":                                         "contour",
		"corsPolicy: {allowOrigin: ['*'], allowPrivateNetwork: true}":              "contour",
		"corsPolicy: {allowOrigin: ['*']}":                                         "",
		"corsPolicy: {allowOrigins: [{exact: a}], allowOrigin: ['.*']}":            "",
		"_format_version: '3.0'":                                                   "kong",
		"plugins: [{name: cors}]":                                                  "kong",
		"plugins: [{name: other}]":                                                 "",
		"services: [{name: a, plugins: [{name: cors}]}]":                           "kong",
		"services: {web: {image: a}}":                                              "",
		"{name: cors, config: {}}":                                                 "kong",
		"{plugin: cors, config: {}}":                                               "kong",
		"config: {origins: [a]}":                                                   "kong",
		"{origins: [a], credentials: true}":                                        "kong",
		"cors: {origins: [a]}":                                                     "",
		"data: [{name: cors, config: {}}]":                                         "kong",
		"{kind: KongPlugin, apiVersion: configuration.konghq.com/v1}":              "kong",
		"{kind: Service, metadata: {annotations: {konghq.com/plugins: ' a , b'}}}": "kong",
		"[]": "",
	} {
		docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)})
		if err != nil || len(docs) != 1 {
			t.Fatal(text, err)
		}
		var got []string
		for name, claim := range claims {
			if claim(docs[0]) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%s is of %q, want %q", text, joined, want)
		}
	}
}
