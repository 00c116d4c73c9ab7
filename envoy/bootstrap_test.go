package envoy_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
)

var update = flag.Bool("update", false, "write the golden files")

func TestEveryVariantIsAValidBootstrap(t *testing.T) {
	for _, v := range variants() {
		doc, err := v.config.JSON()
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		b, err := decode(doc)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if got := b.GetStaticResources().GetListeners(); len(got) != 1 || got[0].GetName() != "traffic" {
			t.Errorf("%s: the first listener is not the traffic listener: %v", v.name, got)
		}
	}
}

func TestFiltersAreThoseOfTheBootstrap(t *testing.T) {
	for _, v := range sample() {
		var paste struct {
			Filters     []json.RawMessage          `json:"http_filters"`
			Manager     map[string]json.RawMessage `json:"connection_manager"`
			VirtualHost json.RawMessage            `json:"virtual_host"`
			Cluster     json.RawMessage            `json:"cluster"`
		}
		unmarshal(t, must(t)(v.config.FiltersJSON()), &paste)
		whole := rawManager(t, must(t)(v.config.JSON()))
		if got, want := compact(t, paste.Filters), compact(t, chain(t, whole)); got != want {
			t.Errorf("%s: filters differ: %s", v.name, cmp.Diff(want, got))
		}
		for _, own := range []string{"@type", "stat_prefix", "route_config", "http_filters"} {
			delete(whole, own)
		}
		if got, want := compact(t, paste.Manager), compact(t, whole); got != want {
			t.Errorf("%s: what the connection manager needs differs: %s", v.name, cmp.Diff(want, got))
		}
		if v.config.Service == "" {
			if paste.Cluster != nil {
				t.Errorf("%s: there is a cluster for nobody", v.name)
			}
		} else if err := decodeInto(paste.Cluster, &clusterv3.Cluster{}); err != nil {
			t.Errorf("%s: cluster: %v", v.name, err)
		}
		if err := decodeInto(wholeHost(t, paste.VirtualHost), &routev3.VirtualHost{}); err != nil {
			t.Errorf("%s: virtual host: %v", v.name, err)
		}
	}
}

// rawManager returns the connection manager of a bootstrap's traffic listener.
func rawManager(t *testing.T, doc []byte) map[string]json.RawMessage {
	t.Helper()
	var b struct {
		Static struct {
			Listeners []struct {
				Chains []struct {
					Filters []struct {
						Config map[string]json.RawMessage `json:"typed_config"`
					} `json:"filters"`
				} `json:"filter_chains"`
			} `json:"listeners"`
		} `json:"static_resources"`
	}
	unmarshal(t, doc, &b)
	return b.Static.Listeners[0].Chains[0].Filters[0].Config
}

// chain returns the filters of a connection manager without its router.
func chain(t *testing.T, manager map[string]json.RawMessage) []json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	unmarshal(t, manager["http_filters"], &all)
	return all[:len(all)-1]
}

// wholeHost gives a part of a virtual host what it lacks.
func wholeHost(t *testing.T, part json.RawMessage) []byte {
	t.Helper()
	host := map[string]any{}
	unmarshal(t, part, &host)
	host["name"], host["domains"] = "test", []string{"*"}
	return []byte(compact(t, host))
}

func TestFiltersNeedNeitherListenNorUpstream(t *testing.T) {
	c := envoy.Config{Profile: envoy.OneTrip, Service: "corsgate:9001"}
	if _, err := c.Filters(); err != nil {
		t.Error(err)
	}
	if _, err := c.YAML(); err == nil {
		t.Error("a bootstrap without a listener is accepted")
	}
}

func TestVirtualHosts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		config envoy.Config
		want   []string
	}{
		{"one host for all, stripped by default", with(func(*envoy.Config) {}), []string{"all [*] corsgate.static"}},
		{"leave enables nothing", with(func(c *envoy.Config) { c.WithoutOrigin = envoy.WithoutOriginLeave }), []string{"all [*] "}},
		{"only managed hosts are stripped", with(func(c *envoy.Config) { c.ManagedHosts = []string{"a.test", "*.b.test"} }),
			[]string{"managed [a.test *.b.test] corsgate.static", "unmanaged [*] "}},
		{"two-phase has nothing static", with(func(c *envoy.Config) { c.Profile = envoy.TwoPhase }), []string{"all [*] "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, host := range manager(t, tc.config).GetRouteConfig().GetVirtualHosts() {
				var filters []string
				for name := range host.GetTypedPerFilterConfig() {
					filters = append(filters, name)
				}
				got = append(got, host.GetName()+" ["+strings.Join(host.GetDomains(), " ")+"] "+strings.Join(filters, " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// manager decodes the connection manager of the traffic listener.
func manager(t *testing.T, c envoy.Config) *hcmv3.HttpConnectionManager {
	t.Helper()
	b, err := decode(must(t)(c.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	m := &hcmv3.HttpConnectionManager{}
	filter := b.GetStaticResources().GetListeners()[0].GetFilterChains()[0].GetFilters()[0]
	if err := filter.GetTypedConfig().UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOptionsAreInTheFilters(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*envoy.Config)
		want   string
		times  int
	}{
		{"fail open by default", func(*envoy.Config) {}, "failure_mode_allow: true", 1},
		{"fail open has no status of its own", func(*envoy.Config) {}, "status_on_error", 0},
		{"fail closed answers 503", func(c *envoy.Config) { c.Fail = envoy.FailClosed }, "status_on_error: {code: 503}", 1},
		{"fail closed does not forward", func(c *envoy.Config) { c.Fail = envoy.FailClosed }, "failure_mode_allow: false", 1},
		{"the timeout has a default", func(*envoy.Config) {}, "message_timeout: 0.5s", 1},
		{"the timeout is set", func(c *envoy.Config) { c.MessageTimeout = 1500 * time.Millisecond }, "message_timeout: 1.5s", 1},
		{"ext_authz has the timeout of its call", func(c *envoy.Config) { c.Profile, c.MessageTimeout = envoy.ExtAuthz, 700*time.Millisecond }, "  timeout: 0.7s", 1},
		{"the back-off is short", func(*envoy.Config) {}, "{base_interval: 0.005s, max_interval: 0.02s}", 1},
		{"one that follows is soon back", func(c *envoy.Config) {
			c.Profile, c.Compiled = envoy.NoTrip, envoy.Compiled{ECDS: true, Shards: 2}
		}, "max_interval: 5s", 2},
		{"the cluster retries, not the filter", func(*envoy.Config) {}, "    retry_policy:", 1},
		{"the route's name is not sent", func(*envoy.Config) {}, "xds.route_name", 0},
		{"the route's name is sent", func(c *envoy.Config) { c.RouteName = true }, "- xds.route_name", 1},
		{"ext_authz sends it as metadata", func(c *envoy.Config) { c.Profile, c.RouteName = envoy.ExtAuthz, true }, "key: x-corsgate-route,", 1},
		{"ext_authz does not send it", func(c *envoy.Config) { c.Profile = envoy.ExtAuthz }, "initial_metadata", 0},
		{"routes enable the filters", func(c *envoy.Config) { c.MatchBy = envoy.ByRoute }, "disabled: true", 4},
		{"a matcher needs nothing disabled, but what virtual hosts enable", func(*envoy.Config) {}, "disabled: true", 1},
		{"Origin is merged into Vary, without an Origin too", func(*envoy.Config) {}, "header: {key: vary, value: Origin}", 4},
		{"the health of ext_proc", func(*envoy.Config) {}, "service_name: envoy.service.ext_proc.v3.ExternalProcessor", 1},
		{"the health of ext_authz", func(c *envoy.Config) { c.Profile = envoy.ExtAuthz }, "service_name: envoy.service.auth.v3.Authorization", 1},
		{"a name is resolved", func(c *envoy.Config) { c.Service = "corsgate:9001" }, "type: STRICT_DNS", 1},
		{"an address is not", func(c *envoy.Config) { c.Service = "[::1]:9001" }, "type: STATIC", 1},
		{"a socket is a pipe", func(c *envoy.Config) { c.Service = "unix:///run/corsgate.sock" }, `{pipe: {path: "/run/corsgate.sock"}}`, 1},
		{"an abstract socket is one, too", func(c *envoy.Config) { c.Service = "unix://@corsgate" }, `{pipe: {path: "@corsgate"}}`, 1},
		{"one-trip says that Envoy writes the headers", func(*envoy.Config) {}, "send_body_without_waiting_for_header_response: true", 1},
		{"two-phase says nothing like that", func(c *envoy.Config) { c.Profile = envoy.TwoPhase }, "send_body_without", 0},
		{"one-trip sees no response", func(*envoy.Config) {}, "response_header_mode: SKIP", 1},
		{"two-phase sees the response", func(c *envoy.Config) { c.Profile = envoy.TwoPhase }, "response_header_mode: SEND", 1},
		{"two-phase sets nothing itself", func(c *envoy.Config) { c.Profile = envoy.TwoPhase }, "key: access-control-allow-origin,", 0},
		{"Envoy's own list of methods, without a warning at its start", func(*envoy.Config) {}, "allow_custom_methods", 0},
		{"every method", func(c *envoy.Config) { c.AllowCustomMethods = true }, "http_protocol_options: {allow_custom_methods: true}", 1},
		{"paths are normalised", func(*envoy.Config) {}, "normalize_path: true", 1},
		{"signed paths keep their slashes", func(*envoy.Config) {}, "merge_slashes", 0},
		{"the advice on bodies", func(*envoy.Config) {}, "per_connection_buffer_limit_bytes", 1},
		{"slashes are merged", func(c *envoy.Config) { c.MergeSlashes = true }, "merge_slashes: true", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			doc := string(must(t)(with(tc.change).Filters()))
			if got := strings.Count(doc, tc.want); got != tc.times {
				t.Errorf("%q is there %d times, want %d", tc.want, got, tc.times)
			}
		})
	}
}

func TestAccessLogSaysHowEnvoysOwnAnswersLook(t *testing.T) {
	const byAuthz, byLua = "has the details ext_authz_error and the flag UAEX, good preflights too", "has the details lua_response, good preflights too"
	for name, tc := range map[string]struct {
		change         func(*envoy.Config)
		byAuthz, byLua int
	}{
		"no-trip": {func(c *envoy.Config) { c.Profile, c.Compiled.ECDS = envoy.NoTrip, true }, 1, 0},
		"no-trip with lua": {func(c *envoy.Config) {
			c.Profile, c.Compiled = envoy.NoTrip, envoy.Compiled{ECDS: true, Reply: notrip.ByLua}
		}, 0, 1},
		"one that always asks": {func(*envoy.Config) {}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			doc := string(must(t)(with(tc.change).YAML()))
			if a, l := strings.Count(doc, byAuthz), strings.Count(doc, byLua); a != tc.byAuthz || l != tc.byLua {
				t.Errorf("it is said %d times of ext_authz and %d times of Lua, want %d and %d", a, l, tc.byAuthz, tc.byLua)
			}
		})
	}
}

func TestComposeBootstrapIsWhatTheGeneratorWrites(t *testing.T) {
	c := envoy.Config{
		Profile: envoy.NoTrip, Listen: "0.0.0.0:10000", Upstream: "upstream:8080", Service: "corsgate:9001", Admin: "127.0.0.1:9901",
		Compiled: envoy.Compiled{ECDS: true, NamedPolicies: true},
	}
	got := must(t)(c.YAML())
	golden := filepath.Join("compose", "envoy.yaml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs, run the test with -update: %s", golden, diff)
	}
}

// must returns what a writer wrote.
func must(t *testing.T) func([]byte, error) []byte {
	return func(doc []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
}

func unmarshal(t *testing.T, doc []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(doc, into); err != nil {
		t.Fatal(err)
	}
}

func compact(t *testing.T, v any) string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}
