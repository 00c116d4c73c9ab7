package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/lines"
)

const observedPolicies = `
policies:
- name: api
  cors:
    allowOrigins: [https://app.example.com]
    allowMethods: [PUT]
`

// observed is a service that a test asks.
type observed struct {
	served
	conn *grpc.ClientConn
	stop func()
}

// observe runs c on a file with text until stop is called.
func observe(t *testing.T, c serveConfig, text string) *observed {
	t.Helper()
	c.policies = filepath.Join(t.TempDir(), "cors.yaml")
	if err := os.WriteFile(c.policies, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.grpcListen, c.adminListen = "127.0.0.1:0", "127.0.0.1:0"
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, svc)
}

// start runs svc until stop is called.
func start(t *testing.T, svc *wired) *observed {
	t.Helper()
	if err := svc.Reloader.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	conn, err := grpc.NewClient(svc.grpcAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	return &observed{served: served{admin: svc.admin.Listener.Addr().String()}, conn: conn, stop: func() {
		conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}}
}

// check asks as ext_authz does; headers are names and values.
func (o *observed) check(t *testing.T, method string, headers ...string) *authv3.CheckResponse {
	t.Helper()
	h := map[string]string{}
	for i := 0; i < len(headers); i += 2 {
		h[headers[i]] = headers[i+1]
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-corsgate-route", "main", "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	answer, err := authv3.NewAuthorizationClient(o.conn).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: method, Host: "api.test", Path: "/v1?q", Headers: h}}}})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// process asks as ext_proc does, with a request of an allowed origin and the
// response of an upstream that has CORS headers of its own.
func (o *observed) process(t *testing.T) {
	t.Helper()
	stream, err := extprocv3.NewExternalProcessorClient(o.conn).Process(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	headers := func(pairs ...string) *extprocv3.HttpHeaders {
		h := &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{}}
		for i := 0; i < len(pairs); i += 2 {
			h.Headers.Headers = append(h.Headers.Headers, &corev3.HeaderValue{Key: pairs[i], RawValue: []byte(pairs[i+1])})
		}
		return h
	}
	for _, m := range []*extprocv3.ProcessingRequest{
		{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: headers(":method", "GET", ":authority", "api.test", ":path", "/", "origin", "https://app.example.com")}},
		{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: headers("access-control-allow-origin", "*")}},
	} {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
}

func (o *observed) page(t *testing.T, path string) string {
	t.Helper()
	status, body, err := o.ask("GET", path)
	if err != nil || status != 200 {
		t.Fatalf("GET %s: %d %v %s", path, status, err, body)
	}
	return body
}

func TestServeShowsWhatItDecides(t *testing.T) {
	var decisions output
	c := serveConfig{observe: observeConfig{decisionLog: oneOf(decisionsAll), stdout: &decisions}}
	o := observe(t, c, observedPolicies)
	for range 2 {
		o.check(t, "GET", "origin", "http://app.example.com")
	}
	o.check(t, "OPTIONS", "origin", "https://app.example.com", "access-control-request-method", "DELETE")
	o.process(t)
	metrics := o.page(t, "/metrics")
	for _, want := range []string{
		`corsgate_decisions_total{decided="asked",kind="request",policy="api",reason="request_origin_denied"} 2`,
		`corsgate_decisions_total{decided="asked",kind="preflight",policy="api",reason="preflight_method_denied"} 1`,
		`corsgate_decisions_total{decided="asked",kind="request",policy="api",reason="request_allowed"} 1`,
		`corsgate_upstream_cors_total{policy="api"} 1`,
		`corsgate_first_messages_total{message="request_headers"} 1`,
		`corsgate_answer_duration_seconds_count{phase="check"} 3`,
		`corsgate_answer_duration_seconds_count{phase="response_headers"} 1`,
		`corsgate_loads_total{result="changed"} 1`, `corsgate_set_generation 1`, `corsgate_policies 1`, `corsgate_last_load_successful 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("/metrics has no %s", want)
		}
	}
	var list denied.List
	if err := json.Unmarshal([]byte(o.page(t, "/denied")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Policies) != 1 || len(list.Policies[0].Origins) != 2 {
		t.Fatalf("/denied: %+v", list)
	}
	first, second := list.Policies[0].Origins[0], list.Policies[0].Origins[1]
	if first.Origin != `"http://app.example.com"` || first.Count != 2 || first.Allow != `allowOrigins: [..., "http://app.example.com"]` || !strings.Contains(first.Nearest, "https://app.example.com") {
		t.Errorf("/denied: %+v", first)
	}
	if second.Asked != `"DELETE"` || second.Allow != `allowMethods: [..., "DELETE"]` || second.Nearest == "" {
		t.Errorf("/denied: %+v", second)
	}
	o.stop()
	want := `"policy":"api","reason":"request_origin_denied","origin":"http://app.example.com","method":"GET","host":"api.test","path":"/v1","route":"main","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}`
	if text := decisions.String(); strings.Count(text, "\n") != 4 || strings.Count(text, want) != 2 {
		t.Errorf("the decision log is\n%s", text)
	}
}

// TestDeniedOriginsAreWrittenAsInEnvoysAccessLog compares with the metadata that
// the access log prints.
func TestDeniedOriginsAreWrittenAsInEnvoysAccessLog(t *testing.T) {
	o := observe(t, serveConfig{}, observedPolicies)
	logged := map[string]bool{}
	for _, origin := range []string{"https://evil.test", "https://caf\u00e9.test", `a"b\c`, "tab\t", strings.Repeat("\u00e9", 300)} {
		metadata := o.check(t, "GET", "origin", origin).GetDynamicMetadata().GetFields()
		logged[metadata["origin"].GetStringValue()] = true
	}
	var list denied.List
	if err := json.Unmarshal([]byte(o.page(t, "/denied")), &list); err != nil {
		t.Fatal(err)
	}
	o.stop()
	if len(logged) != 5 || len(list.Policies[0].Origins) != 5 {
		t.Fatalf("%d are logged and %d listed", len(logged), len(list.Policies[0].Origins))
	}
	for _, d := range list.Policies[0].Origins {
		if !logged[d.Origin] {
			t.Errorf("%s is not in the access log: %v", d.Origin, logged)
		}
	}
}

// TestHelpNamesEveryPage holds the help of --admin-listen and the document to the
// pages that the listener names itself.
func TestHelpNamesEveryPage(t *testing.T) {
	o := observe(t, serveConfig{}, observedPolicies)
	defer o.stop()
	_, names, err := o.ask("GET", "/nothing")
	if err != nil {
		t.Fatal(err)
	}
	pages := regexp.MustCompile(`/[a-z/-]+`).FindAllString(names, -1)
	if len(pages) < 7 {
		t.Fatalf("only %q are named", pages)
	}
	row := regexp.MustCompile("(?m)^\\| `--admin-listen` .*").FindString(document(t, aboutService))
	usage := newServe().Flags().Lookup("admin-listen").Usage
	for _, page := range pages {
		if status, _, err := o.ask("GET", page); err != nil || status == 404 {
			t.Errorf("GET %s: %d, %v", page, status, err)
		}
		if !strings.Contains(usage, page) || !strings.Contains(row, "`"+page+"`") {
			t.Errorf("%s is missing in %q or in %q", page, usage, row)
		}
	}
}

func TestWhatIsOffIsNotThere(t *testing.T) {
	c := serveConfig{policies: "p", grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	if svc.grpc.Interceptors.Stream != nil || svc.grpc.Interceptors.Unary != nil {
		t.Error("tracing or the decision log is on")
	}
	if n := len(svc.grpc.Handler.Observer.(server.Observers)); n != 3 { // metrics, denied origins, and the console's last decisions
		t.Errorf("%d observers", n)
	}
}

func TestObserveFlags(t *testing.T) {
	for args, want := range map[string]string{
		"":                                       "",
		"--trace-endpoint=http://127.0.0.1:4317": "",
		"--trace-endpoint=https://collector:4317/":       "",
		"--trace-endpoint=127.0.0.1:4317":                "write it as http://127.0.0.1:4317",
		"--trace-endpoint=http://c:4317/v1":              "write it as http://127.0.0.1:4317",
		"--trace-endpoint=unix:///c":                     "write it as http://127.0.0.1:4317",
		"--decision-log=sampled --decision-log-sample=0": "write 100 to log one decision of 100",
		"--decision-log=all --decision-log-sample=0":     "",
	} {
		cmd := newServe()
		var c observeConfig
		cmd.ResetFlags()
		c.define(cmd.Flags())
		if err := cmd.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := c.check(); err != nil {
			report(&text, "corsgate serve", err)
		}
		if (want == "") != (text.Len() == 0) || !strings.Contains(text.String(), want) {
			t.Errorf("%s: %q, want %q", args, text.String(), want)
		}
	}
}

func TestTheMetricsAreListed(t *testing.T) {
	everything := serveConfig{stateDir: filepath.Join(t.TempDir(), "state"), feed: joinedFlags{on: true}, ecds: ecdsFlags{joinedFlags: joinedFlags{on: true}}, observe: observeConfig{decisionLog: oneOf(decisionsAll), stdout: &output{}, stderr: lines.New(io.Discard)}}
	o := observe(t, everything, observedPolicies+`
- name: next
  mode: shadow
  cors: {allowOrigins: [https://other.example.com]}
`)
	o.check(t, "GET", "origin", "https://app.example.com")
	o.process(t)
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (corsgate_\w+)`).FindAllStringSubmatch(o.page(t, "/metrics"), -1) {
		want = append(want, m[1])
	}
	o.stop()
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(corsgate_\\w+)` \\|").FindAllStringSubmatch(document(t, aboutService), -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(want)
	slices.Sort(listed)
	if !slices.Equal(listed, want) {
		t.Errorf("%s lists\n%s\nthere are\n%s", aboutService, strings.Join(listed, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheFieldsOfTheDecisionLogAreListed(t *testing.T) {
	var decisions output
	o := observe(t, serveConfig{observe: observeConfig{decisionLog: oneOf(decisionsAll), stdout: &decisions}}, observedPolicies+`
- name: next
  mode: shadow
  cors: {allowOrigins: [https://other.example.com]}
`)
	o.check(t, "OPTIONS", "origin", "https://app.example.com", "access-control-request-method", "PUT", "access-control-request-headers", "x-a")
	o.stop()
	var fields map[string]any
	if err := json.Unmarshal([]byte(decisions.String()), &fields); err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(document(t, aboutService), "\n## Decision log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for name := range fields {
		if !strings.Contains(section, fmt.Sprintf("`%s`", name)) {
			t.Errorf("%s does not name %s", aboutService, name)
		}
	}
	if len(fields) != 15 {
		t.Errorf("%d fields in %s", len(fields), decisions.String())
	}
}
