//go:build linux

package kubernetes

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// importedMesh is a gateway, and a service behind it.
const importedMesh = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 25500, name: http, protocol: HTTP}, hosts: ["*"], bind: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: upstream, namespace: istio-system}
spec:
  hosts: [upstream.edge.local]
  ports: [{number: 25502, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1}]
`

// TestIstioImported is TestEnvoyGatewayImported for Istio's VirtualServices.
func TestIstioImported(t *testing.T) {
	needIstio(t)
	envoytest.Full(t)
	const hosts = 40
	t.Logf("-seed %d", *seed)
	r := madeUp{rand.New(rand.NewPCG(*seed, 21))}
	objects := importedMesh + r.virtualServices(hosts)

	upstream, err := net.Listen("tcp", upstreamAddress)
	if err != nil {
		t.Fatal(err)
	}
	envoytest.ServeHTTP(t, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, upstream)
	c := startCluster(t)
	c.kinds()
	c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n")
	c.apply(objects)
	runIstiod(t, c, "")
	runEnvoy(t, read(t, "testdata/istio-envoy.yaml"))
	s := gatewaySide{t}
	for host := range hosts {
		servertest.Await(t, "the routes of "+hostOf(host), func() bool { return s.send("GET", hostOf(host), "/z", nil).Status == 200 })
	}
	compareImported(t, r, hosts, objects)
}

// virtualServices makes up one for each host, all of which end with a route for all requests.
func (r madeUp) virtualServices(hosts int) string {
	var b strings.Builder
	for i := range hosts {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/%s\nkind: VirtualService\nmetadata: {name: h%d, namespace: istio-system}\nspec:\n  hosts: [%s]\n  gateways: [edge]\n  http:\n",
			pick(r, "v1", "v1beta1", "v1alpha3"), i, hostOf(i))
		for _, match := range []string{"{uri: {prefix: /a/b}}", "{uri: {exact: /c}}, {uri: {prefix: /d}}", "{uri: {prefix: /a}}", ""} {
			if match != "" && r.IntN(2) == 0 {
				continue
			}
			action := pick(r, "route: [{destination: {host: upstream.edge.local, port: {number: 25502}}}]", "route: [{destination: {host: upstream.edge.local, port: {number: 25502}}}]", "directResponse: {status: 200}")
			if match == "" {
				action = "route: [{destination: {host: upstream.edge.local, port: {number: 25502}}}]"
			}
			fmt.Fprintf(&b, "  - %s\n", action)
			if match != "" {
				fmt.Fprintf(&b, "    match: [%s]\n", match)
			}
			if r.IntN(4) > 0 {
				fmt.Fprintf(&b, "    corsPolicy: %s\n", r.corsPolicy())
			}
		}
	}
	return b.String()
}

// corsPolicy makes up what an entry says about CORS.
func (r madeUp) corsPolicy() string {
	origins := []string{
		`{exact: "https://app.example"}`, `{exact: "http://localhost:3000"}`, `{prefix: "https://app.example"}`, `{prefix: "https://*.app.example"}`,
		`{regex: 'https://.*\.app\.example'}`, `{regex: 'https?://(www\.)?app\.example'}`, `{exact: "https://App.example"}`,
	}
	r.Shuffle(len(origins), func(i, k int) { origins[i], origins[k] = origins[k], origins[i] })
	fields := []string{"allowOrigins: [" + strings.Join(origins[:1+r.IntN(3)], ", ") + "]"}
	switch r.IntN(8) {
	case 0:
		fields[0] = `allowOrigins: [{exact: "*"}]`
	case 1:
		fields[0] = `allowOrigin: ["https://app.example", "https://www.app.example"]`
	case 2:
		fields = append(fields, `allowOrigin: ["*"]`)
	}
	if r.IntN(3) > 0 {
		fields = append(fields, "allowMethods: "+pick(r, r.some("GET", "PUT", "DELETE", "OPTIONS"), `["*"]`))
	}
	if r.IntN(3) > 0 {
		fields = append(fields, "allowHeaders: "+pick(r, r.some("x-a", "X-B", "authorization"), `["*"]`))
	}
	for _, field := range []string{"allowCredentials: true", "maxAge: 24h", "unmatchedPreflights: IGNORE"} {
		if r.IntN(3) == 0 {
			fields = append(fields, field)
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}
