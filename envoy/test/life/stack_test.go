package life

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// policies allow the origin of the asks.
const policies = `policies:
- name: app
  cors:
    allowOrigins: [https://*.example.com]
    allowMethods: [PUT]
`

// drainDelay is above the interval of the generated health checks.
const drainDelay = "2s"

// stack is an Envoy before two corsgates and an upstream that grants all.
type stack struct {
	binary, policies string
	instances        [2]*corsgatetest.Process
	envoy            *envoytest.Running
}

// start starts a stack. The configuration is the generated one, with a second
// endpoint, but nobody who is slow is taken for dead.
func start(t *testing.T, binary string, c envoy.Config) *stack {
	t.Helper()
	return startWith(t, binary, c, envoytest.Patient)
}

// startImpatient starts one whose health checks are the generated ones.
func startImpatient(t *testing.T, binary string, c envoy.Config) *stack {
	t.Helper()
	return startWith(t, binary, c, func(map[string]any) {})
}

// startWith starts one whose configuration change has changed.
func startWith(t *testing.T, binary string, c envoy.Config, change func(map[string]any)) *stack {
	t.Helper()
	s := &stack{binary: binary, policies: filepath.Join(t.TempDir(), "policies.yaml")}
	if err := os.WriteFile(s.policies, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range s.instances {
		s.instances[i] = s.instance(t, envoytest.FreeAddress())
	}
	c.Listen, c.Upstream, c.Service = "127.0.0.1:0", startUpstream(t), s.instances[0].GRPC
	if c.Profile == envoy.NoTrip {
		c.Compiled.Folder = t.TempDir()
		envoytest.WriteFilters(t, c, envoytest.Set(t, filepath.Dir(s.policies)))
	}
	s.envoy = envoytest.Start(t, withEndpoint(t, c, change, s.instances[0].GRPC, s.instances[1].GRPC))
	s.awaitHealthy(t, 2)
	return s
}

// instance starts a corsgate at address.
func (s *stack) instance(t *testing.T, address string) *corsgatetest.Process {
	t.Helper()
	return corsgatetest.Start(t, s.binary, "--policies", s.policies, "--grpc-listen", address, "--drain-delay", drainDelay)
}

// restart starts a new corsgate where the i-th was, and waits until Envoy uses
// both again.
func (s *stack) restart(t *testing.T, i int) {
	t.Helper()
	s.instances[i] = s.instance(t, s.instances[i].GRPC)
	s.awaitHealthy(t, 2)
}

// address is where Envoy takes traffic.
func (s *stack) address() string { return s.envoy.Listeners["traffic"] }

// startUpstream starts an application that grants every origin by itself, and
// answers preflights.
func startUpstream(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == slowPath {
			time.Sleep(slowness)
		}
		w.Header().Set("Access-Control-Allow-Origin", upstreamGrant)
		w.Header().Set("Access-Control-Allow-Methods", "PUT")
		_, _ = io.WriteString(w, "hello\n") // a client that has gone is no matter
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// withEndpoint generates c's bootstrap, changes it, and adds a second endpoint
// beside the first to corsgate's cluster.
func withEndpoint(t *testing.T, c envoy.Config, change func(map[string]any), first, second string) []byte {
	t.Helper()
	text, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(first, ":")
	_, other, _ := strings.Cut(second, ":")
	var b map[string]any
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	change(b)
	group := corsgateCluster(b)["load_assignment"].(map[string]any)["endpoints"].([]any)[0].(map[string]any)
	one, err := json.Marshal(group["lb_endpoints"].([]any)[0])
	if err != nil {
		t.Fatal(err)
	}
	two := strings.Replace(string(one), port, other, 1)
	group["lb_endpoints"] = []any{json.RawMessage(one), json.RawMessage(two)}
	text, err = json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// corsgateCluster finds corsgate's cluster in a bootstrap.
func corsgateCluster(b map[string]any) map[string]any {
	for _, c := range b["static_resources"].(map[string]any)["clusters"].([]any) {
		if cluster := c.(map[string]any); cluster["name"] == "corsgate" {
			return cluster
		}
	}
	return nil
}

// awaitHealthy waits until Envoy takes n of the corsgates for healthy.
func (s *stack) awaitHealthy(t *testing.T, n int) {
	t.Helper()
	servertest.Await(t, fmt.Sprintf("%d healthy corsgates", n), func() bool {
		healthy := 0
		for line := range strings.Lines(s.page(t, "/clusters")) {
			if strings.HasPrefix(line, "corsgate::") && strings.HasSuffix(line, "::health_flags::healthy\n") {
				healthy++
			}
		}
		return healthy == n
	})
}

// page returns a page of Envoy's admin listener.
func (s *stack) page(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + s.envoy.Admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// eachProfile runs test with each of the generated profiles and the path of a
// corsgate.
func eachProfile(t *testing.T, test func(t *testing.T, binary string, p envoy.Profile)) {
	binary := corsgatetest.Build(t)
	for _, p := range envoy.Profiles() {
		t.Run(string(p), func(t *testing.T) { test(t, binary, p) })
	}
}
