//go:build linux

package kubernetes

import (
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// TestEnvoyGetsPoliciesByMutualTLS lays out what the printed volume has, and has corsgate
// deliver to nobody without a certificate. Envoy takes a new authority without a restart.
func TestEnvoyGetsPoliciesByMutualTLS(t *testing.T) {
	envoytest.Full(t)
	service, volume := t.TempDir(), t.TempDir()
	certify(t, service, volume)
	s := newSite(t, false, "--format", "envoy-gateway", "--gateway", "default/edge")
	serve := []string{
		"--grpc-listen", "0.0.0.0:25501",
		"--grpc-tls-cert", filepath.Join(service, "tls.crt"), "--grpc-tls-key", filepath.Join(service, "tls.key"),
		"--grpc-tls-client-ca", filepath.Join(service, "ca.crt"), "--ecds-allow", "envoy.test",
	}
	s.serve(t, serve...)
	v := variant{served: true, args: []string{"--service", "localhost:25501", "--service-tls", volume}}
	manifest := s.manifest(t, v)
	for name, content := range find(t, objectsOf(t, manifest), "ConfigMap").Data {
		put(t, filepath.Join(volume, name), content)
	}
	s.runGateway(t, manifest)
	s.awaitDecisions(t, v)
	s.edit(t, v)
	if asked := s.answering(t, preflight(s.host, known)); asked != "Envoy" {
		t.Errorf("%s answers a preflight: the policies are not delivered", asked)
	}
	certify(t, service, volume)
	s.corsgate.Kill() // nothing is left of the connection by the old certificates
	s.serve(t, serve...)
	s.edit(t, v)
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
