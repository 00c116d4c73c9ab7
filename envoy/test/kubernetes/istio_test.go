//go:build linux

package kubernetes

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// needIstio skips a test unless Istio is asked for: its control plane takes long to build.
func needIstio(t *testing.T) {
	t.Helper()
	if !withIstio() {
		t.Skip("only with Istio: set CORSGATE_ISTIO=1")
	}
}

// startIstio runs istiod on an API server, a gateway's Envoy, and what corsgate prints for a
// variant.
func startIstio(t *testing.T, v variant) *site {
	t.Helper()
	s := newSite(t, v.served, "--format", "istio", "--workload", "istio-system/istio=ingressgateway")
	s.unauthorized = map[string]string{"Authorization": "Bearer bad"}
	s.runIstio(t, meshResources(t), s.manifest(t, v))
	runEnvoy(t, read(t, "testdata/istio-envoy.yaml"))
	s.awaitDecisions(t, v)
	return s
}

// runIstio runs istiod on an API server that has these objects until the test ends.
func (s *site) runIstio(t *testing.T, edge, manifest string) {
	t.Helper()
	c := startCluster(t)
	c.kinds()
	c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n")
	c.apply(edge + "---\n" + manifest)
	s.apply = func(objects string) {
		before := manifest
		manifest = objects
		c.apply(manifest)
		c.deleteBut(before, manifest)
	}
	s.remove = func() { c.delete(manifest) }
	runIstiod(t, c, manifest)
}

// runEnvoy runs the Envoy of a pod until the test ends.
func runEnvoy(t *testing.T, bootstrap string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	put(t, path, bootstrap)
	start(t, exec.Command(envoytest.Binary(t), "-c", path, "--concurrency", "1", "-l", "warning", "--drain-time-s", "1"))
}

// meshResources are the gateway, its routes and their services.
func meshResources(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	tlstest.New(t).Write(t, cert, key, "api.test")
	startAgent(t, cert, key)
	return strings.ReplaceAll(read(t, "testdata/istio.yaml"), "@FOLDER@", folder)
}

// runIstiod runs istiod until the test ends.
func runIstiod(t *testing.T, c *cluster, manifest string) {
	t.Helper()
	folder := t.TempDir()
	put(t, filepath.Join(folder, "mesh.yaml"), read(t, "testdata/istio-mesh.yaml")+meshConfig(manifest))
	put(t, filepath.Join(folder, "networks.yaml"), "networks: {}\n")
	cmd := exec.Command(must(t)(istiod.path()), "discovery", "--kubeconfig", c.kubeconfig,
		"--meshConfig", filepath.Join(folder, "mesh.yaml"), "--networksConfig", filepath.Join(folder, "networks.yaml"),
		"--grpcAddr", "127.0.0.1:15010", "--secureGRPCAddr", "127.0.0.1:15012", "--httpAddr", "127.0.0.1:8080", "--httpsAddr", "127.0.0.1:15017",
		"--monitoringAddr", "127.0.0.1:15014", "--ctrlz_port", "0")
	cmd.Dir = folder
	// The Envoy that the tests have lacks Istio's own filters.
	cmd.Env = append(os.Environ(), "PILOT_ENABLE_METADATA_EXCHANGE=false", "PILOT_ENABLE_ALPN_FILTER=false", "POD_NAME=istiod", "POD_NAMESPACE=istio-system")
	start(t, cmd)
	servertest.Await(t, "istiod", func() bool {
		return ask(t, "http://127.0.0.1:8080", request{http.MethodGet, "localhost", "/ready", nil}).status == http.StatusOK
	})
}

// providerComment are the lines of comment that name corsgate in Istio's own configuration.
var providerComment = regexp.MustCompile(`(?m)^#( *(extensionProviders:|- name|envoyExtAuthzGrpc:|service:|port:|timeout:|failOpen:).*)$`)

// meshConfig returns what a manifest says that Istio's own configuration needs.
func meshConfig(manifest string) string {
	var out strings.Builder
	for _, found := range providerComment.FindAllStringSubmatch(manifest, -1) {
		out.WriteString(strings.TrimPrefix(found[1], "   ") + "\n")
	}
	return out.String()
}

func TestIstio(t *testing.T) {
	needIstio(t)
	for _, v := range []variant{
		{"Istio, no-trip", true, []string{"--service", serviceAddress}},
		{"Istio, no-trip in the object", false, nil},
		{"Istio, one-trip", true, []string{"--profile", "one-trip", "--service", serviceAddress}},
		{"Istio, ext-authz (portable)", true, []string{"--profile", "ext-authz", "--service", "decisions.edge.local:25501"}},
	} {
		t.Run(v.row, func(t *testing.T) { v.try(t, startIstio) })
	}
}

// TestIstioSidecar runs the Envoy of an application instead of a gateway's. It answers as the
// table says, but it has no host without a route.
func TestIstioSidecar(t *testing.T) {
	needIstio(t)
	for _, v := range []variant{
		{"Istio, no-trip", true, []string{"--service", serviceAddress}},
		{"Istio, one-trip", true, []string{"--profile", "one-trip", "--service", serviceAddress}},
	} {
		t.Run(v.row, func(t *testing.T) {
			s := newSite(t, v.served, "--format", "istio", "--workload", "istio-system/app=shop", "--sidecar")
			s.unauthorized, s.guarded, s.routesAll = map[string]string{"Authorization": "Bearer bad"}, s.host, true
			s.runIstio(t, read(t, "testdata/istio-sidecar.yaml"), s.manifest(t, v))
			runEnvoy(t, strings.NewReplacer("router~10.9.9.9", "sidecar~10.9.9.9", "istio: ingressgateway", "app: shop").
				Replace(read(t, "testdata/istio-envoy.yaml")))
			s.awaitDecisions(t, v)
			s.demo(t, s.host)
			s.edit(t, v)
			s.check(t, v.row)
			s.remove()
			s.untouched(t)
		})
	}
}
