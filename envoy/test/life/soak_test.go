package life

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
)

// soakFor is how long the soak lasts; the short form shows that it works.
var soakFor = flag.Duration("soak", 20*time.Second, "how long TestSoak lasts")

const (
	reloadEvery = 200 * time.Millisecond
	faultEvery  = 20 * time.Millisecond
	// settle is how long what has ended usually takes to go.
	settle = 3 * time.Second
)

// What the process may hold more after the soak than after a fourth of it.
const (
	moreHeap       = 4 << 20
	moreGoroutines = 10
	moreFiles      = 5
)

// soak is an Envoy for each profile before one corsgate.
type soak struct {
	policies string
	corsgate *corsgatetest.Process
	envoys   []*envoytest.Running
	noTrip   envoy.Config // has the filters of its Envoy written anew
}

// TestSoak sends mixed traffic through all profiles while the policies are
// reloaded and clients misbehave: no answer is wrong, and what the process
// holds stays flat.
func TestSoak(t *testing.T) {
	envoytest.Full(t)
	s := &soak{policies: filepath.Join(t.TempDir(), "policies.yaml")}
	s.write(t, soakPolicies(0))
	s.corsgate = corsgatetest.Start(t, corsgatetest.Build(t), "--policies", s.policies, "--admin-pprof")
	up := startUpstream(t)
	for _, p := range envoy.Profiles() {
		c := envoy.Config{Profile: p, Fail: envoy.FailClosed, MessageTimeout: envoytest.MessageTimeout, Listen: "127.0.0.1:0", Upstream: up, Service: s.corsgate.GRPC}
		if p == envoy.NoTrip {
			c.Compiled.Folder = t.TempDir()
			s.noTrip = c
			s.compile(t)
		}
		bootstrap, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		s.envoys = append(s.envoys, envoytest.Start(t, bootstrap))
	}
	s.run(t, *soakFor/4)
	before := s.held(t)
	s.run(t, *soakFor*3/4)
	var after held
	defer func() { t.Logf("held after a fourth: %+v, in the end: %+v", before, after) }()
	servertest.Await(t, "to hold no more than before", func() bool {
		after = s.held(t)
		return after.heap <= before.heap+moreHeap && after.goroutines <= before.goroutines+moreGoroutines && after.files <= before.files+moreFiles
	})
}

// run sends traffic for that long, and waits until all of it is gone.
func (s *soak) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	loads := make([]*load, 0, len(s.envoys))
	for _, e := range s.envoys {
		loads = append(loads, startLoad(t, e.Listeners["traffic"], serves))
	}
	var running sync.WaitGroup
	reloads := 0
	running.Go(func() { reloads = s.reload(ctx, t) })
	running.Go(func() { s.misbehave(ctx) })
	running.Wait()
	for i, l := range loads {
		l.stop()
		if failed, lost := l.tally.report(t, fmt.Sprintf("%s, %d reloads", envoy.Profiles()[i], reloads)); failed+lost > 0 {
			t.Errorf("failed %d, lost %d, want none", failed, lost)
		}
	}
	time.Sleep(settle)
}

// soakPolicies is the k-th version of policies that answer the asks alike; some
// of them are refused.
func soakPolicies(k int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "policies:\n- name: app\n  cors:\n    allowMethods: [PUT]\n    maxAge: %d\n    allowOrigins:\n    - https://*.example.com\n", 100+k%100)
	for i := range 10 * (k % 50) {
		fmt.Fprintf(&b, "    - https://app-%d.example.org\n", i)
	}
	if k%7 == 3 {
		b.WriteString("    - https://broken.example.org/\n")
	}
	return b.String()
}

// reload changes the policies until ctx ends, and at least until one is served,
// and returns how many versions the service has served.
func (s *soak) reload(ctx context.Context, t *testing.T) int {
	first := s.generation(t)
	for k := 0; ctx.Err() == nil || s.generation(t) == first; k++ {
		s.write(t, soakPolicies(k))
		s.compile(t)
		time.Sleep(reloadEvery)
	}
	s.write(t, soakPolicies(0))
	return s.generation(t) - first
}

func (s *soak) generation(t *testing.T) int {
	text, err := s.corsgate.Get(context.WithoutCancel(t.Context()), "/status")
	if err != nil {
		t.Error(err)
		return 0
	}
	return corsgatetest.Number(t, text, `"generation": (\d+)`)
}

// write replaces the policies at once.
func (s *soak) write(t *testing.T, text string) {
	next := s.policies + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(next, s.policies); err != nil {
		t.Error(err)
	}
}

// compile writes the filters of no-trip, unless the policies are refused.
func (s *soak) compile(t *testing.T) {
	res := policyfile.Load(os.DirFS(filepath.Dir(s.policies)), "")
	if res.HasErrors() {
		return
	}
	filters, err := s.noTrip.Compile(policy.Compile(res.Policies))
	if err == nil {
		err = envoy.WriteFilters(s.noTrip.Compiled.Folder, filters)
	}
	if err != nil {
		t.Error(err)
	}
}

// misbehave does what clients should not, until ctx ends. What comes back does
// not matter.
func (s *soak) misbehave(ctx context.Context) {
	faults := []func(context.Context){s.goAway, s.half, s.garble}
	for i := 0; ctx.Err() == nil; i++ {
		faults[i%len(faults)](ctx)
		time.Sleep(faultEvery)
	}
}

// goAway leaves before the upstream has answered.
func (s *soak) goAway(ctx context.Context) {
	for _, e := range s.envoys {
		ctx, cancel := context.WithTimeout(ctx, slowness/10)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Listeners["traffic"]+slowPath, nil)
		if err == nil {
			req.Header.Set("Origin", allowedOrigin)
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			if resp, err := client.Do(req); err == nil {
				resp.Body.Close()
			}
		}
		cancel()
	}
}

// half sends half a request to each Envoy.
func (s *soak) half(context.Context) {
	for _, e := range s.envoys {
		sendRaw(e.Listeners["traffic"], "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: "+allowedOrigin)
	}
}

// garble speaks nonsense to corsgate's own port.
func (s *soak) garble(context.Context) {
	sendRaw(s.corsgate.GRPC, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame at all")
}

func sendRaw(address, text string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

// held is what the process holds.
type held struct{ heap, goroutines, files int }

func (s *soak) held(t *testing.T) held {
	t.Helper()
	heap, err := s.corsgate.Get(t.Context(), "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		t.Fatal(err)
	}
	goroutines, err := s.corsgate.Get(t.Context(), "/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.corsgate.PID()))
	if err != nil {
		t.Skipf("this system does not tell a process's files: %v", err)
	}
	return held{corsgatetest.Number(t, heap, `# HeapAlloc = (\d+)`), corsgatetest.Number(t, goroutines, `total (\d+)`), len(files)}
}
