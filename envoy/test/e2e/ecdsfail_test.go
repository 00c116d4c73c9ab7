package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
)

// breaksFirst compiles as corsgate does, but with the policy "broken" the first filter
// into one that Envoy refuses.
func breaksFirst(name string) (ecds.Compile, error) {
	compile, err := corsgatetest.Compiler(name)
	return func(set *policy.Set) ([]ecds.Resource, error) {
		list, err := compile(set)
		if _, broken := set.Policy("broken"); !broken || err != nil {
			return list, err
		}
		list[0].Version = "broken"
		list[0].Encoded, err = encoded(list[0].Name, &router.Router{}) // which is not a composite filter
		return list, err
	}, err
}

// encoded is a filter as it is delivered.
func encoded(name string, filter proto.Message) ([]byte, error) {
	config, err := anypb.New(filter)
	if err != nil {
		return nil, err
	}
	if config, err = anypb.New(&core.TypedExtensionConfig{Name: name, TypedConfig: config}); err != nil {
		return nil, err
	}
	return proto.Marshal(config)
}

// versionsOfAll has all hosts of deliveredPolicies in that version.
func versionsOfAll(version string) map[int]string {
	versions := map[int]string{}
	for i := range deliveredHosts {
		versions[i] = version
	}
	return versions
}

// brokenPolicies are those for breaksFirst.
func brokenPolicies(version string) string {
	return deliveredPolicies(versionsOfAll(version)) + "- {name: broken, hosts: [broken.test], cors: {allowOrigins: [https://app.example]}}\n"
}

// TestARefusedDelivery delivers a filter that Envoy refuses: it asks until it has a good
// one, and keeps that when it refuses the next. The filters beside it change, what was
// refused is not sent again, and the next good one is.
func TestARefusedDelivery(t *testing.T) {
	service, e := delivers(t, "127.0.0.1:0", brokenPolicies("0"), breaksFirst)
	s := follow(t, 4, startUpstream(t), service)
	awaitState(t, e, ecds.Refused, 1, 4)
	s.exposeAll(t, "x-0")

	service.reloads(t, deliveredPolicies(versionsOfAll("1")))
	awaitCurrent(t, e, 1, 4)
	s.exposeAll(t, "x-1")

	service.reloads(t, brokenPolicies("2"))
	envoys := awaitState(t, e, ecds.Refused, 1, 4)
	if r := envoys[0].Resources[0]; r.Refused == nil || r.Refused.Version != "broken" || !strings.Contains(r.Refused.Error, "envoy.extensions.filters.http.router.v3.Router") {
		t.Errorf("it has not refused what is broken: %+v", r)
	}
	found := map[string]int{}
	for i := range deliveredHosts {
		found[s.exposed(t, fmt.Sprintf("h-%d.test", i))]++
	}
	if len(found) != 2 || found["x-1"] == 0 || found["x-2"] == 0 {
		t.Errorf("the hosts are of versions %v, want those of one filter of 1 and the others of 2", found)
	}

	service.reloads(t, brokenPolicies("3"))
	awaitState(t, e, ecds.Refused, 1, 4)
	if n := s.deliveries(t, "rejected"); n != 2 {
		t.Errorf("%d filters were refused, want each once", n)
	}
	service.reloads(t, deliveredPolicies(versionsOfAll("4")))
	awaitCurrent(t, e, 1, 4)
	s.exposeAll(t, "x-4")
}

// TestARestartedCorsgate starts it again with the same policies: the Envoy tells what it
// has, and nothing is sent.
func TestARestartedCorsgate(t *testing.T) {
	address := envoytest.FreeAddress()
	first, e := delivers(t, address, deliveredPolicies(nil), corsgatetest.Compiler)
	s := follow(t, 4, startUpstream(t), first)
	awaitCurrent(t, e, 1, 4)
	if n := s.deliveries(t, "success"); n != 4 {
		t.Errorf("%d filters were delivered, want 4", n)
	}
	first.stop()
	second, e := delivers(t, address, deliveredPolicies(nil), corsgatetest.Compiler)
	awaitCurrent(t, e, 1, 4)
	if n := s.deliveries(t, "success"); n != 4 {
		t.Errorf("%d filters were delivered in all, want 4", n)
	}
	second.reloads(t, deliveredPolicies(versionsOfAll("1")))
	awaitCurrent(t, e, 1, 4)
	s.exposeAll(t, "x-1")
}

// delivering is a command whose policies an Envoy follows.
type delivering struct {
	*corsgatetest.Process
	file     string
	follower *setup
}

// startDelivering starts a command with policies, and an Envoy that follows them.
func startDelivering(t *testing.T, policies string) *delivering {
	t.Helper()
	d := &delivering{file: filepath.Join(t.TempDir(), policyFile)}
	corsgatetest.WritePolicies(t, d.file, policies)
	d.Process = corsgatetest.Start(t, corsgatetest.Build(t), "--policies", d.file, "--ecds")
	d.follower = follow(t, 4, startUpstream(t), nobody(t, d.GRPC, folderOf(policies)))
	return d
}

// TestABadEdit reloads a file with a mistake: nothing changes.
func TestABadEdit(t *testing.T) {
	d := startDelivering(t, deliveredPolicies(nil))
	d.follower.soonExposes(t, "h-1.test", "x-0")
	if status, body := reload(t, d.Process); status != http.StatusOK { // all of it is delivered
		t.Fatalf("%d %s", status, body)
	}
	corsgatetest.WritePolicies(t, d.file, deliveredPolicies(versionsOfAll("1"))+"- {name: bad, cors: {allowOrigins: [https://app.example/]}}\n")
	if status, body := reload(t, d.Process); status != http.StatusUnprocessableEntity || !strings.Contains(body, "https://app.example/") {
		t.Errorf("the reload: %d %s", status, body)
	}
	d.follower.exposeAll(t, "x-0")
	if n := d.follower.deliveries(t, "success"); n != 4 {
		t.Errorf("%d filters were delivered, want 4", n)
	}
	corsgatetest.WritePolicies(t, d.file, deliveredPolicies(versionsOfAll("2")))
	if status, body := reload(t, d.Process); status != http.StatusOK {
		t.Errorf("the good edit: %d %s", status, body)
	}
	d.follower.exposeAll(t, "x-2")
}

// TestPushesRacing asks for a reload for each of three versions, before those for the
// others are answered: what a 200 is for is served then, or a later one.
func TestPushesRacing(t *testing.T) {
	const pushes = 3
	d := startDelivering(t, reloadPolicy(0))
	d.follower.soonExposes(t, "reload.test", "x-v0")
	var running sync.WaitGroup
	for k := int64(1); k <= pushes; k++ {
		corsgatetest.WritePolicies(t, d.file, reloadPolicy(int(k)))
		running.Go(func() {
			if status, body := reload(t, d.Process); status != http.StatusOK {
				t.Errorf("version %d: %d %s", k, status, body)
			}
			w := &window{}
			w.written.Store(pushes)
			w.confirmed.Store(k)
			if err := d.follower.loadOnce(t, w, loadOf("reload", true), "http/1"); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	d.follower.exposes(t, "reload.test", fmt.Sprintf("x-v%d", pushes))
}

// TestAKilledCorsgate kills the command, and starts another one with other policies. In
// between, compiled answers are unchanged, and what is asked about fails open.
func TestAKilledCorsgate(t *testing.T) {
	binary, folder, address := corsgatetest.Build(t), t.TempDir(), envoytest.FreeAddress()
	file := filepath.Join(folder, policyFile)
	runs := func(version string) *corsgatetest.Process {
		corsgatetest.WritePolicies(t, file, deliveredPolicies(map[int]string{1: version}))
		return corsgatetest.Start(t, binary, "--policies", file, "--grpc-listen", address, "--ecds", "--drain-delay", "0s")
	}
	first := runs("1")
	s := follow(t, 4, startUpstream(t), nobody(t, address, folderOf(deliveredPolicies(nil))))
	s.soonExposes(t, "h-1.test", "x-1")
	corsgatetest.WritePolicies(t, file, deliveredPolicies(map[int]string{1: "2"}))
	if status, body := reload(t, first); status != http.StatusOK || strings.Count(body, `"state": "current"`) != 5 || !strings.Contains(body, `"node": "corsgate"`) {
		t.Errorf("the reload: %d %s", status, body)
	}
	s.soonExposes(t, "h-1.test", "x-2")
	if page, err := first.Get(t.Context(), "/metrics"); err != nil || !strings.Contains(page, `corsgate_envoys{state="current"} 1`) {
		t.Errorf("the metrics: %v\n%s", err, page)
	}
	first.Kill()
	s.exposes(t, "h-1.test", "x-2")
	s.exposes(t, "h-7.test", "x-0")
	for _, line := range differences(of("200", "seen", vary), s.answer(t, "h-1.test", asked)) {
		t.Errorf("what is asked about: %s", line)
	}
	second := runs("3")
	s.soonExposes(t, "h-1.test", "x-3")
	if code := second.Terminate(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.exposes(t, "h-1.test", "x-3")
	s.exposes(t, "h-7.test", "x-0")
}

// reload asks a command to reload.
func reload(t *testing.T, p *corsgatetest.Process) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "http://"+p.Admin+"/-/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
