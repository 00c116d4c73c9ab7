//go:build linux

package kubernetes

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// TestEnvoyGetsPoliciesByMutualTLS lays out what the printed volume has, and has corsgate
// deliver to nobody without a certificate. Envoy takes a new authority without a restart.
func TestEnvoyGetsPoliciesByMutualTLS(t *testing.T) {
	envoytest.Full(t)
	binary := corsgatetest.Build(t)
	service, volume, policies := t.TempDir(), t.TempDir(), demoPolicies(t)
	certify(t, service, volume)
	g := &gateway{edge: edge{url: "http://127.0.0.1:25500", host: "api.test"}, policies: policies}
	serve := []string{
		"--policies", policies, "--ecds", "--grpc-listen", "0.0.0.0:25501", "--poll-interval", "100ms",
		"--grpc-tls-cert", filepath.Join(service, "tls.crt"), "--grpc-tls-key", filepath.Join(service, "tls.key"),
		"--grpc-tls-client-ca", filepath.Join(service, "ca.crt"), "--ecds-allow", "envoy.test",
	}
	g.corsgate = corsgatetest.Start(t, binary, serve...)
	start(t, exec.Command(binary, "demo", "upstream", "--listen", upstreamAddress))
	manifest := manifestOf(t, binary, "--format", "envoy-gateway", "--gateway", "default/edge", "--service", "localhost:25501", "--service-tls", volume)
	for name, content := range find(t, objectsOf(t, manifest), "ConfigMap").Data {
		put(t, filepath.Join(volume, name), content)
	}
	runGateway(t, withProvider(manifest)+"---\n"+edgeResources(t))
	servertest.Await(t, "corsgate's answer by Envoy Gateway", func() bool {
		return ask(t, g.url, preflight(g.host, known)).status == 204
	})
	g.delivered(t)
	g.edit(t)
	if asked := g.answering(t, preflight(g.host, known)); asked != "Envoy" {
		t.Errorf("%s answers a preflight: the policies are not delivered", asked)
	}
	certify(t, service, volume)
	g.corsgate.Kill() // nothing is left of the connection by the old certificates
	g.corsgate = corsgatetest.Start(t, binary, serve...)
	g.edit(t)
}

// certify has a new authority make both sides' certificates.
func certify(t *testing.T, service, client string) {
	t.Helper()
	authority := tlstest.New(t)
	for folder, name := range map[string]string{service: "localhost", client: "envoy.test"} {
		authority.WriteCA(t, filepath.Join(folder, "ca.crt"))
		authority.Write(t, filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"), name)
	}
}
