package gatewayapi_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(gatewayapi.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(gatewayapi.Read))
}

// TestPlaces makes up routes at gateways and at listeners of them.
func TestPlaces(t *testing.T) {
	names := []string{"public", "public/http", "public/https", "internal"}
	t.Run("unknown gateways", func(t *testing.T) {
		asked := []importertest.Place{{Name: "public/http", Socket: "1"}, {Name: "public/https", Socket: "2"}, {Name: "public/other", Socket: "3"}, {Name: "internal", Socket: "4"}}
		importertest.Places(t, names, asked, gatewayapi.Read, httpRoutes)
	})
	known := func(listeners string, asked []importertest.Place) func(*testing.T) {
		return func(t *testing.T) {
			importertest.Places(t, names, asked, gatewayapi.Read, func(r *rand.Rand, routes []importertest.Placed) string {
				return gateway("public", listeners) + gateway("internal", "{name: http, port: 80}") + httpRoutes(r, routes)
			})
		}
	}
	internal := importertest.Place{Name: "internal/http", Socket: "4"}
	t.Run("known gateways", known(`{name: http, port: 80}, {name: https, port: 443, hostname: "*.b.example"}`, []importertest.Place{
		{Name: "public/http", Socket: "1"}, {Name: "public/https", Host: "*.b.example", Socket: "2"}, internal,
	}))
	t.Run("listeners of one port", known(`{name: http, port: 80}, {name: https, port: 80, hostname: "*.b.example"}, {name: other, port: 80, hostname: a.b.example}`, []importertest.Place{
		{Name: "public/http", Socket: "1"}, {Name: "public/https", Host: "*.b.example", Socket: "1"}, {Name: "public/other", Host: "a.b.example", Socket: "1"}, internal,
	}))
}

func gateway(name, listeners string) string {
	return fmt.Sprintf("---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: %s}\nspec: {listeners: [%s]}\n", name, listeners)
}

func httpRoutes(_ *rand.Rand, routes []importertest.Placed) string {
	var b strings.Builder
	for i, p := range routes {
		var parents []string
		for _, at := range p.At {
			gateway, listener, _ := strings.Cut(at, "/")
			parents = append(parents, fmt.Sprintf("{name: %s, sectionName: %q}", gateway, listener))
		}
		rule := "backendRefs: [{name: p, port: 80}]"
		switch {
		case p.Redirects:
			rule = "filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]"
		case p.Origin != "":
			rule = fmt.Sprintf("filters: [{type: CORS, cors: {allowOrigins: [%q]}}]", p.Origin)
		}
		fmt.Fprintf(&b, "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r%d}\nspec:\n", i)
		fmt.Fprintf(&b, "  parentRefs: [%s]\n  rules: [{%s}]\n", strings.Join(parents, ", "), rule)
		if p.Host != "" {
			fmt.Fprintf(&b, "  hostnames: [%q]\n", p.Host)
		}
	}
	return b.String()
}
