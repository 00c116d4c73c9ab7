//go:build linux

package kubernetes

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// startGateway runs Envoy Gateway with its Envoy and what corsgate prints for a variant.
func startGateway(t *testing.T, v variant) *site {
	t.Helper()
	s := newSite(t, v.served, "--format", "envoy-gateway", "--gateway", "default/edge")
	s.runGateway(t, s.manifest(t, v))
	s.awaitDecisions(t, v)
	return s
}

// provider has Envoy Gateway run the Envoy that is there, and take nothing from elsewhere.
// That Envoy is soon done with what it has no more, and its own listener is a known one.
const provider = `  provider: {type: Host, host: {envoyVersion: 1.40.0}}
  shutdown: {drainTimeout: 1s}
  bootstrap: {type: JSONPatch, jsonPatches: [{op: replace, path: /admin/address/socket_address/port_value, value: 25530}]}
`

// ownProxy is the EnvoyProxy of a Gateway that none is printed for.
const ownProxy = `---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: corsgate-edge, namespace: default}
spec:
` + provider

// withProvider adds to what is printed what an Envoy Gateway without Kubernetes needs.
func withProvider(manifest string) string {
	if printed := strings.Replace(manifest, "spec:\n  filterOrder:", "spec:\n"+provider+"  filterOrder:", 1); printed != manifest {
		return printed
	}
	return manifest + ownProxy
}

// edgeResources are the Gateway and its routes.
func edgeResources(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	tlstest.New(t).Write(t, cert, key, "api.test", "second.test")
	encoded := func(path string) string { return base64.StdEncoding.EncodeToString([]byte(read(t, path))) }
	return strings.NewReplacer("@CERT@", encoded(cert), "@KEY@", encoded(key)).Replace(read(t, "testdata/gateway.yaml"))
}

// runGateway runs Envoy Gateway with the Gateway and these objects until the test ends, with
// edits of them all.
func (s *site) runGateway(t *testing.T, objects string, edits ...string) {
	t.Helper()
	home, edge := t.TempDir(), edgeResources(t)
	resources := filepath.Join(home, "resources", "all.yaml")
	s.apply = func(objects string) {
		put(t, filepath.Join(home, "next.yaml"), strings.NewReplacer(edits...).Replace(withProvider(objects)+"---\n"+edge))
		if err := os.Rename(filepath.Join(home, "next.yaml"), resources); err != nil {
			t.Fatal(err)
		}
	}
	s.remove = func() { s.apply("") }
	put(t, resources, "")
	s.apply(objects)
	startGatewayIn(t, home)
}

// startGatewayIn starts Envoy Gateway with what is in its home.
func startGatewayIn(t *testing.T, home string) {
	t.Helper()
	binary := must(t)(envoyGateway.path())
	put(t, filepath.Join(home, "envoy-gateway.yaml"), strings.ReplaceAll(read(t, "testdata/envoy-gateway.yaml"), "@HOME@", home))
	link := filepath.Join(home, "data", "envoy-versions", "1.40.0", "bin", "envoy")
	put(t, link+".folder", "")
	if err := os.Symlink(envoytest.Binary(t), link); err != nil {
		t.Fatal(err)
	}
	certgen := exec.CommandContext(t.Context(), binary, "certgen", "--local", "--config-home", filepath.Join(home, "config"))
	if out, err := certgen.CombinedOutput(); err != nil {
		t.Fatalf("certgen: %v\n%s", err, out)
	}
	p := start(t, exec.Command(binary, "server", "--config-path", filepath.Join(home, "envoy-gateway.yaml")))
	t.Cleanup(func() { p.terminate(t) }) // so that its Envoy ends, too
}

func TestEnvoyGateway(t *testing.T) {
	envoytest.Full(t)
	listeners := []string{"--gateway-listener", "http,other,https"}
	service := append([]string{"--service", serviceAddress}, listeners...)
	for _, v := range []variant{
		{"Envoy Gateway, no-trip", true, service},
		{"Envoy Gateway, no-trip in the object", false, listeners},
		{"Envoy Gateway, one-trip", true, append([]string{"--profile", "one-trip"}, service...)},
		{"Envoy Gateway, two-phase (portable)", true, []string{"--profile", "two-phase", "--service", serviceAddress}},
	} {
		t.Run(v.row, func(t *testing.T) { v.try(t, startGateway) })
	}
}

// TestEnvoyGatewayMerged has a class that merges its Gateways.
func TestEnvoyGatewayMerged(t *testing.T) {
	envoytest.Full(t)
	v := variant{"", true, []string{"--service", serviceAddress, "--gateway-class", "eg", "--gateway-listener", "http,other,https"}}
	s := newSite(t, v.served, "--format", "envoy-gateway", "--gateway", "default/edge")
	s.runGateway(t, s.manifest(t, v),
		"  infrastructure: {parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: corsgate-edge}}\n", "",
		"spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}",
		"spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller, parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: corsgate-edge, namespace: default}}",
		"  shutdown: {drainTimeout: 1s}", "  shutdown: {drainTimeout: 1s}\n  mergeGateways: true")
	s.awaitDecisions(t, v)
	for _, one := range every {
		e := edge{url: one.url}
		e.demo(t, one.host)
	}
	s.remove()
	s.untouched(t)
}

// TestEnvoyThatStartsWithoutCorsgate holds what the README says of an Envoy that starts while
// corsgate is down: it grants nothing and blocks nothing.
func TestEnvoyThatStartsWithoutCorsgate(t *testing.T) {
	envoytest.Full(t)
	s := newSite(t, false, "--format", "envoy-gateway", "--gateway", "default/edge")
	s.runGateway(t, manifestOf(t, s.binary, append(s.target, "--service", serviceAddress)...))
	for _, r := range []request{preflight(s.host, known), from(s.host, known), from(s.host, unknown), blocked(s.host)} {
		servertest.Await(t, "an answer without a grant", func() bool {
			a := ask(t, s.url, r)
			return a.status == 200 && a.cors == 0 && a.varies()
		})
	}
}
