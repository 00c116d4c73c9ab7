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
	places := []string{"public", "public/http", "public/https", "internal"}
	t.Run("unknown gateways", func(t *testing.T) {
		asked := map[string]string{"public/http": "", "public/https": "", "public/other": "", "internal": ""}
		importertest.Places(t, places, asked, gatewayapi.Read, httpRoutes)
	})
	t.Run("known gateways", func(t *testing.T) {
		asked := map[string]string{"public/http": "", "public/https": "*.b.example", "internal/http": ""}
		importertest.Places(t, places, asked, gatewayapi.Read, func(r *rand.Rand, routes []importertest.Placed) string {
			return gateways + httpRoutes(r, routes)
		})
	})
}

const gateways = `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public}
spec: {listeners: [{name: http, port: 80}, {name: https, port: 443, hostname: "*.b.example"}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: internal}
spec: {listeners: [{name: http, port: 80}]}
`

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
