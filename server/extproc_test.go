package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

func TestExtProc(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	for _, c := range slices.Concat(conversations(), namingConversations(), responseFirstConversations()) {
		t.Run(c.name, func(t *testing.T) { hold(t, client, c) })
	}
}

// hold sends the messages of c one by one and compares the answers.
func hold(t *testing.T, client extprocv3.ExternalProcessorClient, c conversation) {
	t.Helper()
	stream, err := client.Process(metadata.AppendToOutgoingContext(servertest.Context(t), c.metadata...))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range c.send {
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
		if i >= len(c.want) {
			break
		}
		out, err := stream.Recv()
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if diff := cmp.Diff(c.want[i], shown(out)); diff != "" {
			t.Errorf("answer %d (-want +got):\n%s", i, diff)
		}
	}
	if !c.ends || len(c.send) == 0 {
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v, %v, want EOF", out, err)
	}
}

func TestExtProcHeaderForm(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	stream, err := client.Process(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	var out *extprocv3.ProcessingResponse
	for _, m := range []*extprocv3.ProcessingRequest{get("public.test", app), responseHeaders(":status: 200")} {
		out = exchange(t, stream, m)
	}
	want := &extprocv3.HeaderMutation{
		RemoveHeaders: []string{
			"access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers",
			"access-control-allow-methods", "access-control-allow-headers", "access-control-max-age", "access-control-allow-private-network",
		},
		SetHeaders: []*corev3.HeaderValueOption{
			{
				Header:       &corev3.HeaderValue{Key: "access-control-allow-origin", RawValue: []byte("*")},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			},
			{
				Header:       &corev3.HeaderValue{Key: "access-control-expose-headers", RawValue: []byte("x-r")},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			},
		},
	}
	if diff := cmp.Diff(want, out.GetResponseHeaders().GetResponse().GetHeaderMutation(), protocmp.Transform()); diff != "" {
		t.Errorf("overwritten headers (-want +got):\n%s", diff)
	}
}

func TestExtProcAppendForm(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	stream, err := client.Process(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, stream, get("list.test", "https://evil.example"))
	out := exchange(t, stream, responseHeaders(":status: 200"))
	want := []*corev3.HeaderValueOption{{
		Header:       &corev3.HeaderValue{Key: "vary", RawValue: []byte("Origin")},
		Append:       wrapperspb.Bool(true),
		AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
	}}
	got := out.GetResponseHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("appended header (-want +got):\n%s", diff)
	}
}

func exchange(t *testing.T, stream extprocv3.ExternalProcessor_ProcessClient, m *extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
	t.Helper()
	if err := stream.Send(m); err != nil {
		t.Fatal(err)
	}
	out, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExtProcReadsValueWhereRawValueIsEmpty(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	m := get("list.test", app)
	for _, h := range m.GetRequestHeaders().GetHeaders().GetHeaders() {
		h.Value, h.RawValue = string(h.RawValue), nil
	}
	hold(t, client, conversation{send: []*extprocv3.ProcessingRequest{m}, want: []string{lines("request continue", metaAllowed)}})
}

func TestExtProcKeepsItsDecisionOverAReload(t *testing.T) {
	handler := testHandler(t, nil)
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: handler}))
	stream, err := client.Process(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, stream, get("list.test", app))
	servertest.Prepare(t, handler, policytest.Compile(t, policy.Spec{Name: "other", CORS: policy.CORS{AllowOrigins: []string{"https://other.example.com"}}}))()
	got := shown(exchange(t, stream, responseHeaders(":status: 200")))
	want := lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "append vary: Origin")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the reload (-want +got):\n%s", diff)
	}
}

func TestExtProcBeforeTheFirstSet(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: &wire.Handler{}}))
	t.Run("a request is Envoy's failure mode's", func(t *testing.T) {
		stream, err := client.Process(servertest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(get("list.test", app)); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("got %v, want Unavailable", err)
		}
	})
	t.Run("a response is let through", func(t *testing.T) {
		m := withAttributes(responseHeaders(":status: 200"), "f", map[string]any{"request.headers['origin']": app})
		hold(t, client, conversation{
			send: []*extprocv3.ProcessingRequest{m}, want: []string{lines("response continue")}, ends: true,
		})
	})
}

// logged is a log of the service.
type logged struct{ linestest.Buffer }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

type observerFunc func(*policy.Request, *policy.Decision)

func (f observerFunc) Observe(_ context.Context, r *policy.Request, d *policy.Decision) { f(r, d) }

func TestExtProcLetsThroughWhatPanics(t *testing.T) {
	log := &logged{}
	bad := observerFunc(func(*policy.Request, *policy.Decision) { panic("out of cheese") })
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, bad), Logger: log.logger()}))
	hold(t, client, conversation{send: []*extprocv3.ProcessingRequest{get("list.test", app)}, ends: true})
	text := log.String()
	if n := strings.Count(text, "out of cheese"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, text)
	}
	if !strings.Contains(text, "extproc_test.go") {
		t.Errorf("no stack in the log:\n%s", text)
	}
}

func TestExtProcObserves(t *testing.T) {
	seen := make(chan string, 10)
	o := observerFunc(func(r *policy.Request, d *policy.Decision) { seen <- r.Authority + " " + d.Reason.String() })
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, o)}))
	hold(t, client, conversation{
		send: []*extprocv3.ProcessingRequest{get("list.test", app), responseHeaders(":status: 200")},
		want: []string{lines("request continue", metaAllowed), lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "append vary: Origin")},
		ends: true,
	})
	if got := <-seen; got != "list.test request_allowed" {
		t.Errorf("observed %q", got)
	}
	if len(seen) != 0 {
		t.Errorf("observed more than once: %q", <-seen)
	}
}

func TestExtProcIsSilentAboutCancelledStreams(t *testing.T) {
	log := &logged{}
	decided := make(chan struct{}, 1)
	o := observerFunc(func(*policy.Request, *policy.Decision) { decided <- struct{}{} })
	s := &server.Server{Handler: testHandler(t, o), Logger: log.logger()}
	t.Run("cancelled", func(t *testing.T) {
		client := extprocv3.NewExternalProcessorClient(serve(t, s))
		ctx, cancel := context.WithCancel(servertest.Context(t))
		stream, err := client.Process(ctx)
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, stream, get("list.test", app))
		<-decided
		cancel()
	}) // the server has ended here, and with it the stream's handler
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, "level=INFO") {
			t.Errorf("logged: %s", line)
		}
	}
}
