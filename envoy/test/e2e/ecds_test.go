package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
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

// delivers serves policies on address, and delivers what the compiler makes of them.
func delivers(t *testing.T, address, policies string, compiler ecds.Compiler) (*corsgate, *ecds.Server) {
	t.Helper()
	e := &ecds.Server{Compiler: compiler}
	return serveConfig(t, address, folderOf(policies), service.Config{ECDS: e}), e
}

// followerWorkers is how many workers have to get what is delivered.
const followerWorkers = 3

// follow starts an Envoy that has its filters delivered.
func follow(t *testing.T, shards int, up *upstream, s *corsgate) *setup {
	t.Helper()
	return followBy(t, shards, up, s, func(object) {})
}

// followBy is follow with a bootstrap that change has changed.
func followBy(t *testing.T, shards int, up *upstream, s *corsgate, change func(object)) *setup {
	t.Helper()
	c := envoy.Config{
		Profile: envoy.NoTrip, Listen: "127.0.0.1:0", Upstream: up.address, Service: s.address, MessageTimeout: envoytest.MessageTimeout,
		Compiled: envoy.Compiled{ECDS: true, Shards: shards, NamedPolicies: true, Ports: []uint16{8443}},
	}
	b := generate(t, c)
	change(b)
	return &setup{name: fmt.Sprintf("%d delivered", shards), config: c, upstream: up, service: s, envoy: envoytest.StartWorkers(t, encode(t, b), followerWorkers)}
}

// worldly has an Envoy ask by the protocol of the state of the world.
func worldly(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			worldly(item)
		}
	case object:
		if v["api_type"] != nil {
			v["api_type"] = "GRPC"
		}
		for _, value := range v {
			worldly(value)
		}
	}
}

// awaitCurrent waits until so many Envoys have everything, and returns them.
func awaitCurrent(t *testing.T, e *ecds.Server, envoys, resources int) []ecds.Envoy {
	t.Helper()
	return awaitState(t, e, ecds.Current, envoys, resources)
}

// awaitState waits until there are so many Envoys, all in that state.
func awaitState(t *testing.T, e *ecds.Server, state ecds.State, envoys, resources int) []ecds.Envoy {
	t.Helper()
	var now []ecds.Envoy
	servertest.Await(t, fmt.Sprintf("%d Envoys that are %s", envoys, state), func() bool {
		now = e.Await(servertest.Context(t))
		there := func(one ecds.Envoy) bool { return one.State == state && len(one.Resources) == resources }
		return len(now) == envoys && !slices.ContainsFunc(now, func(one ecds.Envoy) bool { return !there(one) })
	})
	return now
}

// exposed returns the header that a host exposes.
func (s *setup) exposed(t *testing.T, host string) string {
	t.Helper()
	for _, line := range s.answer(t, host, allowed) {
		if header, ok := strings.CutPrefix(line, "access-control-expose-headers: "); ok {
			return header
		}
	}
	return ""
}

// soonExposes waits until a host exposes a header.
func (s *setup) soonExposes(t *testing.T, host, header string) {
	t.Helper()
	servertest.Await(t, host+" exposes "+header, func() bool {
		return s.exposed(t, host) == header
	})
}

// answer returns the answer to a request of an origin.
func (s *setup) answer(t *testing.T, host, origin string) []string {
	t.Helper()
	return exchange{name: host, do: "GET " + host + "/", with: []string{origin}, answers: owns}.send(t, s, "http/1")
}

// exposeAll sends a request to each host of deliveredPolicies, which must expose that
// header.
func (s *setup) exposeAll(t *testing.T, header string) {
	t.Helper()
	for i := range deliveredHosts {
		s.exposes(t, fmt.Sprintf("h-%d.test", i), header)
	}
}

// deliveries counts the filters that the Envoy has accepted, or rejected.
func (s *setup) deliveries(t *testing.T, what string) (n int) {
	t.Helper()
	for line := range strings.Lines(s.stats(t, "extension_config_discovery.*update_"+what)) {
		_, number, _ := strings.Cut(strings.TrimSpace(line), ": ")
		one, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		n += one
	}
	return n
}

// stats returns the Envoy's statistics that match a pattern.
func (s *setup) stats(t *testing.T, pattern string) string {
	t.Helper()
	resp, err := http.Get("http://" + s.envoy.Admin + "/stats?filter=" + url.QueryEscape(pattern))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
			service, e := delivers(t, "127.0.0.1:0", deliveredPolicies(nil), corsgatetest.Compiler)
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
					s.exposes(t, "h-5.test", "x-"+version)
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
			service, e := delivers(t, address, deliveredPolicies(nil), corsgatetest.Compiler)
			awaitCurrent(t, e, 1, shards)
			s.exposes(t, "h-1.test", "x-0")
			service.stop()
			s.exposes(t, "h-1.test", "x-0")
		})
	}
}

// TestSeveralListeners has two listeners of an Envoy follow: they share what is delivered.
func TestSeveralListeners(t *testing.T) {
	service, e := delivers(t, "127.0.0.1:0", deliveredPolicies(nil), corsgatetest.Compiler)
	s := followBy(t, 4, startUpstream(t), service, func(b object) {
		static := b["static_resources"].(object)
		second := envoytest.Clone(static["listeners"].([]any)[0].(object))
		second["name"] = "second"
		static["listeners"] = append(static["listeners"].([]any), second)
	})
	second := *s
	second.envoy = &envoytest.Running{Addresses: envoy.Addresses{Listeners: map[string]string{"traffic": s.envoy.Listeners["second"]}}}
	awaitCurrent(t, e, 1, 4)
	service.reloads(t, deliveredPolicies(map[int]string{5: "1"}))
	awaitCurrent(t, e, 1, 4)
	for _, s := range []*setup{s, &second} {
		s.exposes(t, "h-5.test", "x-1")
		s.exposes(t, "h-7.test", "x-0")
	}
}
