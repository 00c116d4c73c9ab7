package doctor_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// TestOldFilterIsFound compiles one set into files, and has corsgate serve another one.
func TestOldFilterIsFound(t *testing.T) {
	s := startStack(t, "127.0.0.1:0")
	e := envoytest.Start(t, encode(t, s.bootstrap(t, fromFiles)))
	if r := examine(t, s.input(t, e)); r.Errors > 0 {
		t.Fatal(text(r))
	}
	corsgatetest.WritePolicies(t, filepath.Join(s.policies, "policies.yaml"), strings.ReplaceAll(policies, "app.example", "next.example"))
	if _, err := s.service.Reloader.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := s.input(t, e)
	if r := examine(t, in); !slices.Equal(codes(r), []string{"filter-out-of-date"}) {
		t.Error(text(r))
	}
	in.Status = nil
	if r := examine(t, in); len(r.Findings) > 0 {
		t.Error(text(r))
	}
	in.Policies = setOf(t, policies+"- {name: new, hosts: [new.test], cors: {allowOrigins: [https://new.example]}}\n")
	if r := examine(t, in); !slices.Equal(codes(r), []string{"filter-out-of-date"}) || !strings.Contains(text(r), "the host new.test of the policy new") {
		t.Error(text(r))
	}
}

// compiledFor are filters that have nothing that says which policies they were compiled
// from, with each option that they depend on.
var compiledFor = map[string]envoy.Config{
	"files":                {Profile: envoy.NoTrip, Compiled: envoy.Compiled{}},
	"files, not all fits":  {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Budget: 70_000}},
	"files alone":          {Profile: envoy.NoTrip, Service: "none"},
	"files in shards":      {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Shards: 4, Ports: []uint16{8080, 8443}, Reply: notrip.ByLua}},
	"files, names":         {Profile: envoy.NoTrip, Fail: envoy.FailClosed, Compiled: envoy.Compiled{NamedPolicies: true, PolicyNames: true}},
	"delivered":            {Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, Ports: []uint16{8080}}},
	"delivered, with feed": {Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, Feed: envoy.WholeFeed}},
}

// TestFilterOfOtherPoliciesIsFound has filters that know all hosts of the policies, and
// other origins.
func TestFilterOfOtherPoliciesIsFound(t *testing.T) {
	s := startStack(t, "127.0.0.1:0")
	other := setOf(t, strings.ReplaceAll(policies, "https://app.example", "https://next.example"))
	for name, c := range compiledFor {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := envoytest.Start(t, encode(t, s.bootstrap(t, c)))
			await(t, s, e, "nothing", func(r doctor.Report) bool { return r.Errors+r.Warnings == 0 })
			in := s.input(t, e)
			status := in.Status
			in.Status = nil
			if r := examine(t, in); slices.Contains(codes(r), "filter-out-of-date") {
				t.Error(text(r))
			}
			in.Policies = other
			if r := examine(t, in); !strings.Contains(text(r), "error [filter-out-of-date]") || !strings.Contains(text(r), "than those of --policies") {
				t.Errorf("found %s", text(r))
			}
			in.Policies, in.Status = s.set, []byte(`{"ready": true, "hash": "`+other.Hash()+`"}`)
			if r := examine(t, in); !strings.Contains(text(r), "than corsgate serves") {
				t.Errorf("found %s", text(r))
			}
			in.Policies, in.Status = nil, status
			if r := examine(t, in); strings.Contains(text(r), "note [filter-out-of-date]") == c.Compiled.ECDS || r.Errors > 0 {
				t.Errorf("found %s", text(r))
			}
		})
	}
}

// TestWhatCorsgateSays has the status of a corsgate that delivers to the Envoy of a dump.
func TestWhatCorsgateSays(t *testing.T) {
	filter := object{"name": "corsgate", "typed_config": object{"@type": typeURL + "composite.v3.Composite"}}
	config := encode(t, dumpOf(written(t, delivered), object{"@type": "x/EcdsConfigDump", "ecds_filters": []any{object{"version_info": "v2", "ecds_filter": filter}}}))
	for _, test := range []struct {
		name, status, stats string
		want                []string
	}{
		{"current", `{"ready": true, "envoys": [{"node": "edge-1", "resources": [{"name": "corsgate", "version": "v2"}]}]}`, "", nil},
		{"another version", `{"ready": true, "envoys": [{"node": "edge-1", "resources": [{"name": "corsgate", "version": "v3"}]}]}`, "", []string{"filter-out-of-date"}},
		{"another Envoy", `{"ready": true, "envoys": [{"node": "edge-2", "resources": [{"name": "corsgate", "version": "v3"}]}]}`, "", nil},
		{"not ready", `{"ready": false}`, "", []string{"service-not-ready"}},
		{"refused policies", `{"ready": true, "lastError": {"message": "hunter2"}}`, "", []string{"service-not-ready"}},
		{"misuse", `{"ready": true, "misuses": [{"kind": "no_responses", "effect": "e", "hint": "h"}]}`, "", []string{"misused"}},
		{"a refused filter", `{"ready": true}`, "extension_config_discovery.http_filter.corsgate.update_rejected: 1", []string{"filter-refused"}},
		{"not connected", `{"ready": true}`, "extension_config_discovery.http_filter.corsgate.control_plane.connected_state: 0", []string{"counter"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := examine(t, doctor.Input{Config: config, Status: []byte(test.status), Stats: []byte(test.stats)})
			if got := codes(r); !slices.Equal(got, test.want) || strings.Contains(text(r), "hunter2") {
				t.Errorf("found %q, want %q:\n%s", got, test.want, text(r))
			}
		})
	}
}

// TestCountersAreRead has counters with the names that Envoy has for them.
func TestCountersAreRead(t *testing.T) {
	config := encode(t, written(t, oneTrip))
	for name, level := range map[string]string{
		"http.traffic.ext_proc.corsgate.message_timeouts":                    "warning",
		"http.traffic.ext_proc.corsgate.streams_failed":                      "warning",
		"http.traffic.ext_proc.corsgate.spurious_msgs_received":              "warning",
		"http.traffic.ext_proc.corsgate.rejected_header_mutations":           "warning",
		"http.traffic.ext_authz.corsgate.error":                              "warning",
		"cluster.corsgate.upstream_rq_active_overflow":                       "warning",
		"cluster.corsgate.upstream_rq_pending_overflow":                      "warning",
		"cluster.corsgate.upstream_cx_none_healthy":                          "warning",
		"cluster.corsgate.ssl.fail_verify_san":                               "warning",
		"cluster.corsgate.upstream_cx_connect_fail":                          "note",
		"cluster.corsgate.upstream_rq_retry_overflow":                        "note",
		"access_logs.open_telemetry_access_log.corsgate.logs_dropped":        "warning",
		"cluster.corsgate.upstream_rq_tx_reset":                              "", // each stream of ext_proc ends so
		"cluster.upstream.upstream_cx_connect_fail":                          "", // the application's
		"http.traffic.ext_proc.other.message_timeouts":                       "",
		"cluster.corsgate.upstream_cx_connect_fail.of.a.name.that.is.longer": "",
	} {
		for _, stats := range []string{name + ": 3\n", `{"stats": [{"name": "` + name + `", "value": 3}, {"histograms": {}}]}`} {
			r := examine(t, doctor.Input{Config: config, Stats: []byte(stats)})
			want := ""
			if level != "" {
				want = level + " [counter] counter " + name + ": it is at 3 since Envoy has started\n"
			}
			if text(r) != want {
				t.Errorf("found %q, want %q", text(r), want)
			}
		}
		if r := examine(t, doctor.Input{Config: config, Stats: []byte(name + ": 0\n")}); len(r.Findings) > 0 {
			t.Errorf("found %s, and nothing has failed", text(r))
		}
	}
}
