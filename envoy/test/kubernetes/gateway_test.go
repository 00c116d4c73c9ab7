//go:build linux

package kubernetes

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// Where the processes listen. Nobody else does so in this network namespace.
const (
	serviceAddress  = "127.0.0.1:25501"
	upstreamAddress = "127.0.0.1:25502"
)

// provider has Envoy Gateway run the Envoy that is there, and take nothing from elsewhere.
const provider = "provider: {type: Host, host: {envoyVersion: 1.40.0}}"

// ownProxy is the EnvoyProxy of a Gateway that none is printed for.
const ownProxy = `apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: corsgate, namespace: default}
spec:
  ` + provider + "\n"

// manifestOf returns what the command prints.
func manifestOf(t *testing.T, binary string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"envoy-config"}, args...)...).Output()
	if err != nil {
		t.Fatalf("envoy-config %v: %v", args, err)
	}
	return string(out)
}

// gateway is a running Envoy Gateway.
type gateway struct {
	edge
	policies string
}

// startGateway runs Envoy Gateway with its Envoy, what corsgate prints for args, and
// corsgate itself if it is asked.
func startGateway(t *testing.T, withService bool, args ...string) *gateway {
	t.Helper()
	binary := corsgatetest.Build(t)
	g := &gateway{edge: edge{url: "http://127.0.0.1:25500", host: "api.test", guarded: "guarded.test"}}
	g.policies = demoPolicies(t)
	if withService {
		g.corsgate = corsgatetest.Start(t, binary, "--policies", g.policies, "--ecds", "--grpc-listen", serviceAddress, "--poll-interval", "100ms")
	} else {
		args = append(args, "--policies", g.policies)
	}
	start(t, exec.Command(binary, "demo", "upstream", "--listen", upstreamAddress))
	manifest := manifestOf(t, binary, append([]string{"--format", "envoy-gateway", "--gateway", "default/edge"}, args...)...)
	runGateway(t, withProvider(manifest)+"---\n"+edgeResources(t))
	servertest.Await(t, "corsgate's answer by Envoy Gateway", func() bool {
		return ask(t, g.url, preflight(g.host, known)).status == 204
	})
	if withService && !slices.Contains(args, "--profile") {
		g.delivered(t)
	}
	return g
}

// demoPolicies copies the demo's policies, to be edited.
func demoPolicies(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policies.yaml")
	demo, err := os.ReadFile("../../policies/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	corsgatetest.WritePolicies(t, path, string(demo))
	return path
}

// withProvider adds to what is printed what an Envoy Gateway without Kubernetes needs.
func withProvider(manifest string) string {
	if printed := strings.Replace(manifest, "spec:\n  filterOrder:", "spec:\n  "+provider+"\n  filterOrder:", 1); printed != manifest {
		return printed
	}
	return manifest + "---\n" + ownProxy
}

// edgeResources are the Gateway and its routes.
func edgeResources(t *testing.T) string {
	t.Helper()
	resources, err := os.ReadFile("testdata/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	tlstest.New(t).Write(t, cert, key, "api.test", "second.test")
	return strings.NewReplacer("@CERT@", encoded(t, cert), "@KEY@", encoded(t, key)).Replace(string(resources))
}

func encoded(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(content)
}

// runGateway runs Envoy Gateway with its resources until the test ends.
func runGateway(t *testing.T, resources string) {
	t.Helper()
	home := t.TempDir()
	binary, err := envoyGateway.path()
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("testdata/envoy-gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(home, "envoy-gateway.yaml"), strings.ReplaceAll(string(config), "@HOME@", home))
	put(t, filepath.Join(home, "resources", "all.yaml"), resources)
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

// put writes a file, and the folders that it needs.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// every lists the edges of the Gateway's listeners, with the hosts that they serve.
var every = []struct{ url, host string }{
	{"http://127.0.0.1:25500", "api.test"},
	{"http://127.0.0.1:25500", "second.test"},
	{"http://127.0.0.1:25500", "native.test"},
	{"http://127.0.0.1:25510", "api.test"},
	{"https://127.0.0.1:25520", "api.test"},
	{"https://127.0.0.1:25520", "second.test"},
}

func TestEnvoyGateway(t *testing.T) {
	envoytest.Full(t)
	listeners := []string{"--gateway-listener", "http,other,https", "--service", serviceAddress}
	for _, tc := range []struct {
		row     string
		service bool
		args    []string
	}{
		{"Envoy Gateway, no-trip", true, listeners},
		{"Envoy Gateway, no-trip in the object", false, []string{"--gateway-listener", "http,other,https"}},
		{"Envoy Gateway, one-trip", true, append([]string{"--profile", "one-trip"}, listeners...)},
		{"Envoy Gateway, two-phase (portable)", true, []string{"--profile", "two-phase", "--service", serviceAddress}},
	} {
		t.Run(tc.row, func(t *testing.T) {
			g := startGateway(t, tc.service, tc.args...)
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

// edit grants another origin, and takes it back.
func (g *gateway) edit(t *testing.T) {
	t.Helper()
	const another = "https://another.example"
	before, err := os.ReadFile(g.policies)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		policies string
		status   int
	}{
		{strings.Replace(string(before), "- https://app.example.com", "- https://app.example.com\n  - "+another, 1), 204},
		{string(before), 403},
	} {
		corsgatetest.WritePolicies(t, g.policies, tc.policies)
		servertest.Await(t, "the edited policies", func() bool { return ask(t, g.url, preflight(g.host, another)).status == tc.status })
	}
}
