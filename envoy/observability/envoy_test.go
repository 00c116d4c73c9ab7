package observability_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/tracing/tracingtest"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	app     = "https://app.test"
)

type object = map[string]any

// serve runs a service with a policy for every host until stop is called, or the
// test ends.
func serve(t *testing.T, c service.Config) (address string, stop func()) {
	t.Helper()
	policies := filepath.Join(t.TempDir(), "policies.yaml")
	corsgatetest.WritePolicies(t, policies, "policies: [{name: api, cors: {allowOrigins: ["+app+"]}}]")
	s := corsgatetest.Serve(t, "127.0.0.1:0", policies, c)
	return s.Address, s.Stop
}

// corsgate is a service that is observed in every way.
type corsgate struct {
	address   string
	admin     admin.Server
	decisions linestest.Buffer
	stop      func()
}

func startCorsgate(t *testing.T, collector string) *corsgate {
	t.Helper()
	c := &corsgate{admin: admin.Server{Address: "127.0.0.1:0"}}
	c.address, c.stop = serve(t, service.Config{Admin: &c.admin, Decisions: &c.decisions, Every: 1, TraceEndpoint: "http://" + collector})
	return c
}

// startUpstream answers everything with a CORS header of its own.
func startUpstream(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Access-Control-Allow-Origin", "*") }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// bootstrap is the generated one of a profile, with a named route and tracing.
func bootstrap(t *testing.T, profile envoy.Profile, upstream, service, collector string) object {
	t.Helper()
	text, err := compiled(t, envoy.Config{
		Profile: profile, Listen: "127.0.0.1:0", Upstream: upstream, Service: service,
		Fail: envoy.FailClosed, MessageTimeout: envoytest.MessageTimeout, RouteName: true,
	}, &outage{}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var b object
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	envoytest.Patient(b)
	resources := b["static_resources"].(object)
	manager := manager(b)
	manager["tracing"] = object{"provider": object{"name": "envoy.tracers.opentelemetry", "typed_config": object{
		"@type":        "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
		"service_name": "envoy",
		"grpc_service": object{"envoy_grpc": object{"cluster_name": "collector"}},
	}}}
	b["layered_runtime"] = object{"layers": []any{object{"name": "test", "static_layer": object{"tracing.opentelemetry.flush_interval_ms": 100}}}}
	host := manager["route_config"].(object)["virtual_hosts"].([]any)[0].(object)
	host["routes"].([]any)[0].(object)["name"] = "to-api"
	address, port, err := net.SplitHostPort(collector)
	if err != nil {
		t.Fatal(err)
	}
	resources["clusters"] = append(resources["clusters"].([]any), object{
		"name": "collector", "type": "STATIC",
		"typed_extension_protocol_options": object{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
			"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			"explicit_http_config": object{"http2_protocol_options": object{}},
		}},
		"load_assignment": object{"cluster_name": "collector", "endpoints": []any{object{"lb_endpoints": []any{object{"endpoint": object{
			"address": object{"socket_address": object{"address": address, "port_value": json.Number(port)}}}}}}}},
	})
	return b
}

// manager is the HTTP connection manager of the traffic listener.
func manager(b object) object {
	listener := b["static_resources"].(object)["listeners"].([]any)[0].(object)
	return listener["filter_chains"].([]any)[0].(object)["filters"].([]any)[0].(object)["typed_config"].(object)
}

// ask makes a request of an origin within the trace.
func ask(t *testing.T, address, origin string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+address+"/v1?secret", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", origin)
	r.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp.Status, err)
	}
}

// TestEnvoySaysWhichRouteAndTraceItIs runs each profile and looks for the same
// words in the decision log, the trace, Envoy's access log and the metrics.
func TestEnvoySaysWhichRouteAndTraceItIs(t *testing.T) {
	upstream := startUpstream(t)
	for _, profile := range envoy.Profiles() {
		t.Run(string(profile), func(t *testing.T) {
			collector := tracingtest.Start(t)
			c := startCorsgate(t, collector.Address)
			text, err := json.Marshal(bootstrap(t, profile, upstream, c.address, collector.Address))
			if err != nil {
				t.Fatal(err)
			}
			e := envoytest.Start(t, text)
			address := e.Listeners["traffic"]
			ask(t, address, app)
			ask(t, address, "https://evil.test")
			servertest.Await(t, "corsgate's spans", func() bool { return len(ours(collector.Spans())) == 2 })
			servertest.Await(t, "Envoy's spans above them", func() bool { return parents(collector.Spans()) == 2 })
			servertest.Await(t, "the access log", func() bool { return strings.Count(e.Output.String(), `"trace_id":"`+traceID+`"`) == 2 })
			servertest.Await(t, "the decision log", func() bool { return strings.Count(c.decisions.String(), "\n") == 2 })
			c.stop()
			checkDecisionLog(t, c.decisions.String())
			checkAccessLog(t, e.Output.String())
			checkMetrics(t, c, asking(profile))
		})
	}
}

// ours are corsgate's spans.
func ours(spans []*tracev1.Span) (found []*tracev1.Span) {
	for _, s := range spans {
		if tracingtest.Text(s, "corsgate.reason") != "" {
			found = append(found, s)
		}
	}
	return found
}

func checkDecisionLog(t *testing.T, text string) {
	t.Helper()
	for _, want := range []string{
		`"policy":"api","reason":"request_allowed","origin":"` + app + `","method":"GET",`,
		`"policy":"api","reason":"request_origin_denied","origin":"https://evil.test","method":"GET",`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the decision log has no %s:\n%s", want, text)
		}
	}
	if n := strings.Count(text, `"path":"/v1","route":"to-api","trace_id":"`+traceID+`"}`); n != 2 {
		t.Errorf("%d of 2 lines have the route and the trace:\n%s", n, text)
	}
}

func checkAccessLog(t *testing.T, text string) {
	t.Helper()
	reasons := map[string]bool{}
	for line := range strings.Lines(text) {
		var l struct {
			Policy, Reason, Origin, Route string
			TraceID                       string `json:"trace_id"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.TraceID == traceID && l.Route == "to-api" && l.Policy == "api" {
			reasons[l.Reason+" "+strings.Trim(l.Origin, `"`)] = true // a text of metadata has quotes
		}
	}
	if !reasons["request_allowed "+app] || !reasons["request_origin_denied https://evil.test"] {
		t.Errorf("the access log says %v", reasons)
	}
}

// parents counts corsgate's spans that stand below one that has come, in the
// trace that was asked for.
func parents(spans []*tracev1.Span) (count int) {
	ids := map[string]bool{}
	for _, s := range spans {
		ids[string(s.GetSpanId())] = true
	}
	for _, s := range ours(spans) {
		if ids[string(s.GetParentSpanId())] && fmt.Sprintf("%x", s.GetTraceId()) == traceID {
			count++
		}
	}
	return count
}

func checkMetrics(t *testing.T, c *corsgate, profile envoy.Profile) {
	t.Helper()
	page := httptest.NewRecorder()
	c.admin.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil))
	sums := map[string]float64{}
	for name, value := range samples(t, page.Body) {
		metric, _, _ := strings.Cut(name, "{")
		sums[metric] += value
	}
	want := map[string]float64{"corsgate_decisions_total": 2, "corsgate_active_streams": 0, "corsgate_upstream_cors_total": 0}
	switch profile {
	case envoy.OneTrip:
		want["corsgate_first_messages_total"], want["corsgate_answer_duration_seconds_count"] = 2, 2
	case envoy.TwoPhase:
		want["corsgate_first_messages_total"], want["corsgate_answer_duration_seconds_count"], want["corsgate_pass_through_closes_total"] = 2, 4, 2
	case envoy.ExtAuthz:
		want["corsgate_first_messages_total"], want["corsgate_answer_duration_seconds_count"] = 0, 2
	default:
		t.Errorf("nothing is known of the messages of profile %s", profile)
	}
	for name, n := range want {
		if sums[name] != n {
			t.Errorf("%s is %v, want %v", name, sums[name], n)
		}
	}
}
