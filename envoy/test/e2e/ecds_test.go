package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
)

// deliveredHosts is how many hosts the policies of deliveredPolicies have.
const deliveredHosts = 12

// deliveredPolicies are policies of one host each, whose answers tell the version.
func deliveredPolicies(versions map[int]string) string {
	var b strings.Builder
	b.WriteString("policies:\n")
	for i := range deliveredHosts {
		version := "0"
		if v, ok := versions[i]; ok {
			version = v
		}
		fmt.Fprintf(&b, "- {name: p-%[1]d, hosts: [h-%[1]d.test], cors: {allowOrigins: [https://app.example], exposeHeaders: [x-%[2]s]}}\n", i, version)
	}
	return b.String()
}

// compileForEnvoy compiles what an Envoy asks for, as "corsgate serve" does.
func compileForEnvoy(set *policy.Set, name string) (list []ecds.Resource, err error) {
	c, _, err := envoy.ParseResourceName(name)
	if err != nil {
		return nil, err
	}
	compiled, err := c.Compile(set)
	if err != nil {
		return nil, err
	}
	for _, r := range compiled.Resources {
		list = append(list, ecds.Resource{Name: r.Name, Version: r.Version, Config: r.Filter})
	}
	return list, nil
}

// delivers serves policies on address, and delivers what compile makes of them.
func delivers(t *testing.T, address, policies string, compile ecds.Compile) (*corsgate, *ecds.Server) {
	t.Helper()
	e := &ecds.Server{Compile: compile}
	return serveConfig(t, address, folderOf(policies), service.Config{ECDS: e}), e
}

// follow starts an Envoy that has its filters delivered.
func follow(t *testing.T, shards int, up *upstream, s *corsgate) *setup {
	t.Helper()
	c := envoy.Config{
		Profile: envoy.NoTrip, Listen: "127.0.0.1:0", Upstream: up.address, Service: s.address, MessageTimeout: envoytest.MessageTimeout,
		Compiled: envoy.Compiled{ECDS: true, Shards: shards, NamedPolicies: true, Ports: []uint16{8443}},
	}
	return &setup{name: fmt.Sprintf("%d delivered", shards), config: c, upstream: up, service: s, envoy: envoytest.Start(t, encode(t, generate(t, c)))}
}

// awaitCurrent waits until so many Envoys have everything, and returns them.
func awaitCurrent(t *testing.T, e *ecds.Server, envoys, resources int) []ecds.Envoy {
	t.Helper()
	var now []ecds.Envoy
	servertest.Await(t, "Envoys that have everything", func() bool {
		now = e.Await(servertest.Context(t))
		there := func(one ecds.Envoy) bool { return one.State == ecds.Current && len(one.Resources) == resources }
		return len(now) == envoys && !slices.ContainsFunc(now, func(one ecds.Envoy) bool { return !there(one) })
	})
	return now
}

// soonExposes waits until a host exposes a header: Envoy acknowledges a filter before
// the last of its workers has it.
func (s *setup) soonExposes(t *testing.T, host, header string) {
	t.Helper()
	servertest.Await(t, host+" exposes "+header, func() bool {
		return slices.Contains(s.answer(t, host, allowed), "access-control-expose-headers: "+header)
	})
}

// answer returns the answer to a request of an origin.
func (s *setup) answer(t *testing.T, host, origin string) []string {
	t.Helper()
	return exchange{name: host, do: "GET " + host + "/", with: []string{origin}, answers: owns}.send(t, s, "http/1")
}

// reloads has the service serve other policies.
func (s *corsgate) reloads(t *testing.T, policies string) {
	t.Helper()
	s.write(t, policies)
	if _, err := s.reloader.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestDelivery changes policies while two Envoys follow, as one filter and as several:
// only the changed host's answers change, and only its filter is sent.
func TestDelivery(t *testing.T) {
	up := startUpstream(t)
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			t.Parallel()
			service, e := delivers(t, "127.0.0.1:0", deliveredPolicies(nil), compileForEnvoy)
			followers := []*setup{follow(t, shards, up, service), follow(t, shards, up, service)}
			before := awaitCurrent(t, e, 2, shards)
			for k := range 3 {
				version := fmt.Sprint(k + 1)
				service.reloads(t, deliveredPolicies(map[int]string{5: version}))
				after := awaitCurrent(t, e, 2, shards)
				if got := changed(before, after); got != 2 {
					t.Errorf("%d filters were sent, want one to each Envoy", got)
				}
				before = after
				for _, s := range followers {
					s.soonExposes(t, "h-5.test", "x-"+version)
				}
			}
			service.stop()
			for _, s := range followers {
				for i := range deliveredHosts {
					s.exposes(t, fmt.Sprintf("h-%d.test", i), map[bool]string{true: "x-3", false: "x-0"}[i == 5])
				}
			}
		})
	}
}

// changed counts the resources whose versions differ.
func changed(before, after []ecds.Envoy) (n int) {
	for i := range before {
		for k, r := range before[i].Resources {
			if r.Version != after[i].Resources[k].Version {
				n++
			}
		}
	}
	return n
}

// TestAnEnvoyThatStartsFirst asks, and fails open, until corsgate is there. Then it has
// the compiled policies, and keeps them when corsgate has gone.
func TestAnEnvoyThatStartsFirst(t *testing.T) {
	up := startUpstream(t)
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards), func(t *testing.T) {
			t.Parallel()
			address := envoytest.FreeAddress()
			s := follow(t, shards, up, nobody(t, address, folderOf(deliveredPolicies(nil))))
			stripped := of("200", "seen", vary)
			for _, line := range differences(stripped, s.answer(t, "h-1.test", allowed)) {
				t.Errorf("before: %s", line)
			}
			service, e := delivers(t, address, deliveredPolicies(nil), compileForEnvoy)
			awaitCurrent(t, e, 1, shards)
			s.soonExposes(t, "h-1.test", "x-0")
			service.stop()
			s.exposes(t, "h-1.test", "x-0")
		})
	}
}

// TestARefusedDelivery delivers a filter that Envoy refuses: it keeps the last good one,
// says why, and takes the next one.
func TestARefusedDelivery(t *testing.T) {
	breaks := func(set *policy.Set, name string) ([]ecds.Resource, error) {
		list, err := compileForEnvoy(set, name)
		if _, broken := set.Policy("broken"); broken && err == nil {
			list[0].Version = "broken"
			list[0].Config, err = anypb.New(&router.Router{}) // which is not a composite filter
		}
		return list, err
	}
	service, e := delivers(t, "127.0.0.1:0", deliveredPolicies(nil), breaks)
	s := follow(t, 1, startUpstream(t), service)
	awaitCurrent(t, e, 1, 1)
	s.soonExposes(t, "h-1.test", "x-0")
	service.reloads(t, deliveredPolicies(map[int]string{1: "1"})+"- {name: broken, hosts: [broken.test], cors: {allowOrigins: [https://app.example]}}\n")
	envoys := e.Await(servertest.Context(t))
	if r := envoys[0].Resources[0]; r.State != ecds.Refused || r.Refused.Version != "broken" || !strings.Contains(r.Refused.Error, "envoy.extensions.filters.http.router.v3.Router") {
		t.Errorf("it has not refused what is broken: %+v", r)
	}
	s.exposes(t, "h-1.test", "x-0")
	service.reloads(t, deliveredPolicies(map[int]string{1: "2"}))
	awaitCurrent(t, e, 1, 1)
	s.soonExposes(t, "h-1.test", "x-2")
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
