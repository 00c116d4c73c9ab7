package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tracing"
	"github.com/corsgate/corsgate/server/tracing/tracingtest"
	"github.com/corsgate/corsgate/server/wire"
)

const (
	traceID  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID = "00f067aa0ba902b7"
	sampled  = "00-" + traceID + "-" + parentID + "-01"
	skipped  = "00-" + traceID + "-" + parentID + "-00"
)

// await calls ask until as many spans as want have come. If they never do, go
// test gives up.
func await(t *testing.T, want int, spans func() []string, ask func() error) {
	t.Helper()
	for ; len(spans()) < want; time.Sleep(20 * time.Millisecond) {
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
}

// nothing asks nothing.
func nothing() error { return nil }

func shown(s *tracev1.Span) string {
	text := fmt.Sprintf("%s trace=%x parent=%x %s", s.GetName(), s.GetTraceId(), s.GetParentSpanId(), s.GetKind())
	for _, a := range s.GetAttributes() {
		if name, ok := strings.CutPrefix(a.GetKey(), "corsgate."); ok {
			value := a.GetValue().GetStringValue()
			if value == "" {
				value = strconv.FormatBool(a.GetValue().GetBoolValue())
			}
			text += " " + name + "=" + value
		}
	}
	return text
}

func testSet(t testing.TB) *policy.Set {
	t.Helper()
	return policytest.Compile(t,
		policy.Spec{Name: "api", CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}},
		policy.Spec{Name: "next", Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://other.test"}}})
}

// testHandler returns a handler that serves the set, and tells o of decisions.
func testHandler(t testing.TB, o wire.Observer) *wire.Handler {
	t.Helper()
	h := &wire.Handler{Observer: o}
	servertest.Prepare(t, h, testSet(t))()
	return h
}

// serve runs s in memory until stop is called.
func serve(t testing.TB, s *server.Server) (conn *grpc.ClientConn, stop func()) {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s.Listener = l
	end := servertest.Run(t, s.Run)
	conn = servertest.Dial(t, l)
	return conn, func() {
		conn.Close()
		end()
	}
}

// with returns s with a tracer, or without when it is nil.
func with(s *server.Server, tr *tracing.Tracer) *server.Server {
	if tr != nil {
		s.Handler.Observer = tr
		s.Interceptors = server.Interceptors{Stream: tr.Stream, Unary: tr.Unary}
	}
	return s
}

func traced(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "traceparent", parent)
}

func header(key, value string) *corev3.HeaderValue {
	return &corev3.HeaderValue{Key: key, RawValue: []byte(value)}
}

func request(origin string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{
		Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{header(":method", "GET"), header(":authority", "api.test"), header(":path", "/"), header("origin", origin)}},
	}}}
}

// process asks once and waits for the end of the stream.
func process(ctx context.Context, conn *grpc.ClientConn, origin string) error {
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(request(origin)); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream ended with %w", err)
	}
	return nil
}

func TestSpansContinueTheCallersTrace(t *testing.T) {
	c := tracingtest.Start(t)
	tr := tracing.New("http://"+c.Address, "v", slog.New(slog.DiscardHandler))
	sent := servertest.Run(t, tr.Run)
	conn, stop := serve(t, with(&server.Server{Handler: testHandler(t, nil)}, tr))
	warmUps := func() []string { return all(c, true) }
	await(t, 1, warmUps, func() error { return process(traced(t.Context(), sampled), conn, "https://app.test") })
	for _, parent := range []string{sampled, skipped, "", "nonsense"} {
		if err := process(traced(t.Context(), parent), conn, "https://evil.test"); err != nil {
			t.Fatal(err)
		}
	}
	check := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Method: "GET", Host: "api.test", Path: "/", Headers: map[string]string{"origin": "https://app.test"}}}}}
	if _, err := authv3.NewAuthorizationClient(conn).Check(traced(t.Context(), sampled), check); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"envoy.service.auth.v3.Authorization/Check trace=" + traceID + " parent=" + parentID + " SPAN_KIND_SERVER" +
			` policy=api reason=request_allowed origin="https://app.test" preflight=false` +
			" shadow_policy=next shadow_reason=request_origin_denied shadow_differs=true",
		"envoy.service.ext_proc.v3.ExternalProcessor/Process trace=" + traceID + " parent=" + parentID + " SPAN_KIND_SERVER" +
			` policy=api reason=request_origin_denied origin="https://evil.test" preflight=false` +
			" shadow_policy=next shadow_reason=request_origin_denied shadow_differs=false",
	}
	await(t, len(want), func() []string { return all(c, false) }, nothing)
	stop()
	sent()
	if got := all(c, false); !slices.Equal(got, want) {
		t.Errorf("spans\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// all returns the spans of the warm-up or all others, sorted.
func all(c *tracingtest.Collector, warmUps bool) []string {
	var found []string
	for _, span := range c.Spans() {
		if warmUp := strings.Contains(span.GetName(), "ExternalProcessor") && tracingtest.Text(span, "corsgate.reason") == "request_allowed"; warmUp == warmUps {
			found = append(found, shown(span))
		}
	}
	slices.Sort(found)
	return found
}

func TestWithoutACollectorRequestsGoOnAndTheLogSaysSoOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	var log linestest.Buffer
	tr := tracing.New(nobody, "v", slog.New(slog.NewTextHandler(&log, nil)))
	sent := servertest.Run(t, tr.Run)
	conn, stop := serve(t, with(&server.Server{Handler: testHandler(t, nil)}, tr))
	for range 3 {
		if err := process(traced(t.Context(), sampled), conn, "https://app.test"); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	sent()
	if n := strings.Count(log.String(), "level=WARN"); n == 0 || n > 2 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}

// TestUnsampledDecisionsCostNoMemory observes with a context that has no
// recording span, which is what most requests have.
func TestUnsampledDecisionsCostNoMemory(t *testing.T) {
	tr := tracing.New("http://127.0.0.1:1", "v", slog.New(slog.DiscardHandler))
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	d := testSet(t).Decide(&r)
	if n := testing.AllocsPerRun(100, func() { tr.Observe(context.Background(), &r, &d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkTracing asks over gRPC in memory. "off" is a service without a
// tracer: it is what "no observer at all" costs.
func BenchmarkTracing(b *testing.B) {
	for _, c := range []struct{ name, endpoint, parent string }{
		{"off", "", ""}, {"off with a traceparent", "", sampled}, {"not sampled", "collector", skipped}, {"sampled", "collector", sampled},
	} {
		b.Run(c.name, func(b *testing.B) {
			var tr *tracing.Tracer
			if c.endpoint != "" {
				tr = tracing.New("http://"+tracingtest.Start(b).Address, "v", slog.New(slog.DiscardHandler))
				servertest.Run(b, tr.Run)
			}
			conn, stop := serve(b, with(&server.Server{Handler: testHandler(b, nil)}, tr))
			defer stop()
			ctx := traced(context.Background(), c.parent)
			b.ReportAllocs()
			for b.Loop() {
				if err := process(ctx, conn, "https://app.test"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestWhatTheLibraryHasToSayIsLogged(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "no header")
	var out bytes.Buffer
	tracing.New("http://127.0.0.1:4317", "v1.0.0", slog.New(slog.NewTextHandler(&out, nil)))
	if got := out.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "no header") {
		t.Errorf("the log has %q", got)
	}
}
