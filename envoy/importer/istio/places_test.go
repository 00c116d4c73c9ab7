package istio_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/istio"
)

// gatewayNames are the names that gateways have for a VirtualService of the namespace shop.
var gatewayNames = map[string][]string{
	"public":   {"public", "./public", "shop/public", "public.shop", "public.shop.svc.cluster.local"},
	"internal": {"edge/internal", "internal.edge", "internal.edge.svc.cluster.local"},
	"mesh":     {"mesh"},
}

// TestPlaces makes up VirtualServices at several gateways.
func TestPlaces(t *testing.T) {
	places := []string{"public", "internal", "mesh"}
	importertest.Places(t, places, []importertest.Place{{Name: "public", Socket: "1"}, {Name: "internal", Socket: "2"}, {Name: "mesh", Socket: "3"}}, istio.Read, virtualServices)
}

func virtualServices(r *rand.Rand, routes []importertest.Placed) string {
	var b strings.Builder
	write := func(name string, p importertest.Placed, entries ...string) {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: %s, namespace: shop}\nspec:\n", name)
		fmt.Fprintf(&b, "  hosts: [%q]\n  http: [%s]\n", cmp.Or(p.Host, "*"), strings.Join(entries, ", "))
		if !slices.Equal(p.At, []string{"mesh"}) || r.IntN(2) == 0 {
			fmt.Fprintf(&b, "  gateways: [%s]\n", named(r, p.At))
		}
	}
	for i, p := range routes {
		entries := []string{fmt.Sprintf("{%s%s}", matches(r, p), answerOf(p))}
		if elsewhere := others(p.At); elsewhere != nil && r.IntN(3) == 0 {
			never := fmt.Sprintf("{match: [{gateways: [%s]}], corsPolicy: {allowOrigins: [{prefix: https}]}, route: [{destination: {host: p}}]}", named(r, elsewhere))
			entries = append([]string{never}, entries...)
			write(fmt.Sprintf("never%d", i), importertest.Placed{Host: routes[r.IntN(len(routes))].Host, At: p.At}, never)
		}
		write(fmt.Sprintf("r%d", i), p, entries...)
	}
	return b.String()
}

// named writes gateways by one of their names.
func named(r *rand.Rand, gateways []string) string {
	var names []string
	for _, g := range gateways {
		names = append(names, gatewayNames[g][r.IntN(len(gatewayNames[g]))])
	}
	return strings.Join(names, ", ")
}

// others are the gateways besides some.
func others(gateways []string) (all []string) {
	for _, g := range []string{"internal", "mesh", "public"} {
		if !slices.Contains(gateways, g) {
			all = append(all, g)
		}
	}
	return all
}

// matches writes matches that take all requests at the gateways of p.
func matches(r *rand.Rand, p importertest.Placed) string {
	at := p.At
	switch r.IntN(3) {
	case 0:
		return ""
	case 1:
		at = append(others(p.At), p.At...)
	}
	sources := []string{"", ", sourceLabels: {app: none}", ", source_namespace: none"}[r.IntN(3)]
	return fmt.Sprintf("match: [{gateways: [%s]%s}], ", named(r, at), sources)
}

func answerOf(p importertest.Placed) string {
	switch {
	case p.Redirects:
		return "redirect: {scheme: https}"
	case p.Origin != "":
		return fmt.Sprintf("corsPolicy: {allowOrigins: [{exact: %q}]}, route: [{destination: {host: p}}]", p.Origin)
	}
	return "route: [{destination: {host: p}}]"
}
