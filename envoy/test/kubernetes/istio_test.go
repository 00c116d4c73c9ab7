//go:build linux

package kubernetes

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
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

// startIstio runs istiod on an API server, a gateway's Envoy, what corsgate prints for
// args, and corsgate itself if it is asked.
func startIstio(t *testing.T, withService bool, args ...string) *gateway {
	t.Helper()
	binary := corsgatetest.Build(t)
	g := &gateway{edge: edge{
		url: "http://127.0.0.1:25500", host: "api.test", guarded: "guarded.test",
		unauthorized: map[string]string{"Authorization": "Bearer bad"},
	}}
	g.policies = demoPolicies(t)
	if withService {
		g.corsgate = corsgatetest.Start(t, binary, "--policies", g.policies, "--ecds", "--grpc-listen", serviceAddress, "--poll-interval", "100ms")
	} else {
		args = append(args, "--policies", g.policies)
	}
	start(t, exec.Command(binary, "demo", "upstream", "--listen", upstreamAddress))
	manifest := manifestOf(t, binary, append([]string{"--format", "istio", "--workload", "istio-system/istio=ingressgateway"}, args...)...)
	c := startCluster(t)
	c.kinds()
	c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n")
	c.apply(meshResources(t) + "---\n" + manifest)
	runIstiod(t, c, manifest)
	start(t, exec.Command(envoytest.Binary(t), "-c", "testdata/istio-envoy.yaml", "--concurrency", "1", "-l", "warning"))
	servertest.Await(t, "corsgate's answer by Istio", func() bool {
		return ask(t, g.url, preflight(g.host, known)).allowed == known
	})
	if withService && !slices.Contains(args, "--profile") {
		g.delivered(t)
	}
	return g
}

// meshResources are the gateway, its routes and their services.
func meshResources(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	tlstest.New(t).Write(t, cert, key, "api.test")
	startAgent(t, cert, key)
	return strings.ReplaceAll(must(t)(readFile("testdata/istio.yaml")), "@FOLDER@", folder)
}

// runIstiod runs istiod until the test ends.
func runIstiod(t *testing.T, c *cluster, manifest string) {
	t.Helper()
	folder := t.TempDir()
	put(t, filepath.Join(folder, "mesh.yaml"), must(t)(readFile("testdata/istio-mesh.yaml"))+meshConfig(manifest))
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
	for _, tc := range []struct {
		row     string
		service bool
		args    []string
	}{
		{"Istio, no-trip", true, []string{"--service", serviceAddress}},
		{"Istio, no-trip in the object", false, nil},
		{"Istio, one-trip", true, []string{"--profile", "one-trip", "--service", serviceAddress}},
		{"Istio, ext-authz (portable)", true, []string{"--profile", "ext-authz", "--service", "corsgate.edge.local:25501"}},
	} {
		t.Run(tc.row, func(t *testing.T) {
			g := startIstio(t, tc.service, tc.args...)
			for _, one := range every {
				e := edge{url: one.url}
				e.demo(t, one.host)
			}
			if tc.service {
				g.edit(t)
			}
			g.check(t, tc.row)
		})
	}
}

// TestIstioSidecar runs the Envoy of an application instead of a gateway's.
func TestIstioSidecar(t *testing.T) {
	needIstio(t)
	binary := corsgatetest.Build(t)
	policies := demoPolicies(t)
	g := &gateway{edge: edge{url: "http://127.0.0.1:25500", host: "api.test"}, policies: policies}
	g.corsgate = corsgatetest.Start(t, binary, "--policies", policies, "--ecds", "--grpc-listen", serviceAddress, "--poll-interval", "100ms")
	start(t, exec.Command(binary, "demo", "upstream", "--listen", upstreamAddress))
	manifest := manifestOf(t, binary, "--format", "istio", "--workload", "istio-system/app=shop", "--sidecar", "--service", serviceAddress)
	c := startCluster(t)
	c.kinds()
	c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n")
	c.apply(must(t)(readFile("testdata/istio-sidecar.yaml")) + "---\n" + manifest)
	runIstiod(t, c, manifest)
	bootstrap := strings.NewReplacer("router~10.9.9.9", "sidecar~10.9.9.9", "istio: ingressgateway", "app: shop").
		Replace(must(t)(readFile("testdata/istio-envoy.yaml")))
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	put(t, path, bootstrap)
	start(t, exec.Command(envoytest.Binary(t), "-c", path, "--concurrency", "1", "-l", "warning"))
	servertest.Await(t, "corsgate's answer by a sidecar", func() bool {
		return ask(t, g.url, preflight(g.host, known)).allowed == known
	})
	g.delivered(t)
	g.demo(t, g.host)
	g.edit(t)
	if who := g.answering(t, preflight(g.host, known)); who != "Envoy" {
		t.Errorf("%s answers a preflight", who)
	}
	if now := g.outage(t); now != "nothing changes" {
		t.Errorf("without corsgate: %s", now)
	}
}
