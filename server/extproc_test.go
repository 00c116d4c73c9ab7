package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
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
	"github.com/corsgate/corsgate/server"
)

// Answers that many cases share.
const (
	metaAllowed = `metadata corsgate: allow_credentials=true allow_origin=https://app.example.com apply=replace expose_headers=x-request-id origin="https://app.example.com" policy=list reason=request_allowed`
	metaDenied  = `metadata corsgate: apply=replace origin="https://evil.example" policy=list reason=request_origin_denied`
	setOrigin   = "set access-control-allow-origin: https://app.example.com"
	setCreds    = "set access-control-allow-credentials: true"
	setExpose   = "set access-control-expose-headers: x-request-id"
)

type conversation struct {
	name     string
	metadata []string // gRPC metadata pairs
	send     []*extprocv3.ProcessingRequest
	want     []string // one answer a message
	ends     bool     // the service ends the stream with OK after the last
}

func conversations() []conversation {
	type messages = []*extprocv3.ProcessingRequest
	return []conversation{
		{
			name: "an allowed preflight is answered at once",
			send: messages{preflight("list.test", app, "PUT", "access-control-request-headers: content-type")},
			want: []string{lines("immediate 204 preflight_allowed", setOrigin, setCreds, setExpose,
				"set access-control-allow-methods: PUT", "set access-control-allow-headers: content-type", "set access-control-max-age: 600",
				"set vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
				`metadata corsgate: allow_credentials=true allow_origin=https://app.example.com apply=none expose_headers=x-request-id origin="https://app.example.com" policy=list reason=preflight_allowed`)},
			ends: true,
		},
		{
			name: "a denied preflight is answered with 403 and no CORS header",
			send: messages{preflight("list.test", "https://evil.example", "PUT")},
			want: []string{lines("immediate 403 preflight_origin_denied",
				"set vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
				`metadata corsgate: apply=none origin="https://evil.example" policy=list reason=preflight_origin_denied`)},
			ends: true,
		},
		{
			name: "an allowed request gets its headers in both phases",
			send: messages{get("list.test", app), responseHeaders(":status: 200", "access-control-allow-origin: *", "vary: Accept-Encoding")},
			want: []string{
				lines("request continue", metaAllowed),
				lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "set vary: Accept-Encoding, Origin"),
			},
			ends: true,
		},
		{
			name: "a denied request's response loses the upstream's headers",
			send: messages{get("list.test", "https://evil.example"), responseHeaders(":status: 200", "access-control-allow-origin: https://evil.example")},
			want: []string{
				lines("request continue", metaDenied),
				lines("response continue", "remove 7", "append vary: Origin"),
			},
			ends: true,
		},
		{
			name: "a Vary that has Origin is left alone",
			send: messages{get("list.test", app), responseHeaders(":status: 200", "vary: accept", "vary: ORIGIN")},
			want: []string{
				lines("request continue", metaAllowed),
				lines("response continue", "remove 7", setOrigin, setCreds, setExpose),
			},
			ends: true,
		},
		{
			name: "several Vary lines become one",
			send: messages{get("list.test", app), responseHeaders(":status: 404", "vary: Accept", "Vary: Accept-Language")},
			want: []string{
				lines("request continue", metaAllowed),
				lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "set vary: Accept, Accept-Language, Origin"),
			},
			ends: true,
		},
		{
			name: "a public policy's answer has no Vary",
			send: messages{get("public.test", "https://any.example"), responseHeaders(":status: 200", "vary: Accept")},
			want: []string{
				lines("request continue", `metadata corsgate: allow_origin=* apply=public expose_headers=x-r origin="https://any.example" policy=public reason=request_allowed`),
				lines("response continue", "remove 7", "set access-control-allow-origin: *", "set access-control-expose-headers: x-r"),
			},
			ends: true,
		},
		{
			name: "a deferring policy leaves an answer of the upstream alone",
			send: messages{get("defer.test", app), responseHeaders(":status: 200", "access-control-allow-origin: https://own.example")},
			want: []string{
				lines("request continue", `metadata corsgate: allow_credentials=true allow_origin=https://app.example.com apply=defer expose_headers=x-request-id origin="https://app.example.com" policy=defer reason=request_allowed`),
				lines("response continue"),
			},
			ends: true,
		},
		{
			name: "a deferring policy answers for an upstream that did not",
			send: messages{get("defer.test", app), responseHeaders(":status: 200", "access-control-allow-origin: ", "access-control-max-age: 5")},
			want: []string{
				lines("request continue", `metadata corsgate: allow_credentials=true allow_origin=https://app.example.com apply=defer expose_headers=x-request-id origin="https://app.example.com" policy=defer reason=request_allowed`),
				lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "append vary: Origin"),
			},
			ends: true,
		},
		{
			name: "a WebSocket handshake's response is left alone",
			send: messages{get("list.test", app, "upgrade: websocket"), responseHeaders(":status: 101", "upgrade: websocket")},
			want: []string{lines("request continue", metaAllowed), lines("response continue")},
			ends: true,
		},
		{
			name: "a request without an Origin still gets Vary",
			send: messages{requestHeaders(":method: GET", ":authority: list.test", ":path: /"), responseHeaders(":status: 200")},
			want: []string{
				lines("request continue", "metadata corsgate: apply=replace policy=list reason=not_cors"),
				lines("response continue", "remove 7", "append vary: Origin"),
			},
			ends: true,
		},
		{
			name: "a host without a policy is done after one message",
			send: messages{get("nowhere.test", app)},
			want: []string{lines("request continue", `metadata corsgate: apply=none origin="https://app.example.com" reason=no_policy`)},
			ends: true,
		},
		{
			name: "a policy that is off is done after one message",
			send: messages{get("off.test", app)},
			want: []string{lines("request continue", `metadata corsgate: apply=none origin="https://app.example.com" policy=off reason=policy_off`)},
			ends: true,
		},
		{
			name: "a forwarded preflight is done after one message",
			send: messages{preflight("forward.test", "https://evil.example", "PUT")},
			want: []string{lines("request continue", `metadata corsgate: apply=none origin="https://evil.example" policy=forward reason=preflight_origin_denied`)},
			ends: true,
		},
		{
			name: "a blocked request is answered with 403",
			send: messages{get("block.test", "https://evil.example")},
			want: []string{lines("immediate 403 request_blocked", "set vary: Origin",
				`metadata corsgate: apply=none origin="https://evil.example" policy=block reason=request_blocked`)},
			ends: true,
		},
		{
			name: "a shadow policy's verdict travels beside the acting one",
			send: messages{get("shadowed.test", app)},
			want: []string{lines("request continue", `metadata corsgate: allow_credentials=true allow_origin=https://app.example.com apply=replace expose_headers=x-request-id origin="https://app.example.com" policy=acting reason=request_allowed shadow_differs=true shadow_policy=rehearsed shadow_reason=request_origin_denied`)},
		},
		{
			name: "two Origin lines are no origin",
			send: messages{get("list.test", app, "origin: https://app.example.com")},
			want: []string{lines("request continue", `metadata corsgate: apply=replace origin="https://app.example.com,https://app.example.com" policy=list reason=request_origin_malformed`)},
		},
		{
			name: "an empty Origin line before a good one is no origin",
			send: messages{get("list.test", "", "origin: https://app.example.com")},
			want: []string{lines("request continue", `metadata corsgate: apply=replace origin=",https://app.example.com" policy=list reason=request_origin_malformed`)},
		},
		{
			name: "several lines of requested headers are all judged",
			send: messages{preflight("list.test", app, "PUT", "access-control-request-headers: content-type", "Access-Control-Request-Headers: x-evil")},
			want: []string{lines("immediate 403 preflight_header_denied",
				"set vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
				`metadata corsgate: apply=none origin="https://app.example.com" policy=list reason=preflight_header_denied`)},
			ends: true,
		},
		{
			name: "bytes that are not UTF-8 travel quoted",
			send: messages{get("list.test", "https://\xff\xfe.example")},
			want: []string{lines("request continue", `metadata corsgate: apply=replace origin="https://\xff\xfe.example" policy=list reason=request_origin_malformed`)},
		},
		{
			name: "a long origin is cut",
			send: messages{get("list.test", strings.Repeat("a", 300))},
			want: []string{lines("request continue", `metadata corsgate: apply=replace origin="`+strings.Repeat("a", 256)+`" policy=list reason=request_origin_malformed`)},
		},
		{
			name: "CONNECT has no path",
			send: messages{requestHeaders(":method: CONNECT", ":authority: list.test", "origin: "+app)},
			want: []string{lines("request continue", metaAllowed)},
		},
		{
			name: "bodies and trailers are let through, whichever comes first",
			send: messages{
				{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte("x")}}},
				{Request: &extprocv3.ProcessingRequest_RequestTrailers{RequestTrailers: &extprocv3.HttpTrailers{}}},
				{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{}}},
				{Request: &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{}}},
				get("list.test", app),
			},
			want: []string{
				lines("*ext_procv3.ProcessingResponse_RequestBody"), lines("*ext_procv3.ProcessingResponse_RequestTrailers"),
				lines("*ext_procv3.ProcessingResponse_ResponseBody"), lines("*ext_procv3.ProcessingResponse_ResponseTrailers"),
				lines("request continue", metaAllowed),
			},
		},
		{
			name: "a message of no known kind ends the stream",
			send: messages{{}},
			ends: true,
		},
		{name: "a stream without a message ends", ends: true},
	}
}

func TestExtProc(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: testStore(t)}))
	for _, c := range slices.Concat(conversations(), namingConversations(), responseFirstConversations()) {
		t.Run(c.name, func(t *testing.T) { hold(t, client, c) })
	}
}

// hold sends the messages of c one by one and compares the answers.
func hold(t *testing.T, client extprocv3.ExternalProcessorClient, c conversation) {
	t.Helper()
	stream, err := client.Process(metadata.AppendToOutgoingContext(testContext(t), c.metadata...))
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
	if out, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v, %v, want EOF", out, err)
	}
}

func namingConversations() []conversation {
	const (
		route = "xds.route_metadata.filter_metadata['corsgate'].policy"
		vhost = "xds.virtual_host_metadata.filter_metadata['corsgate'].policy"
	)
	type messages = []*extprocv3.ProcessingRequest
	unnamed := func() *extprocv3.ProcessingRequest { return get("nowhere.test", app) }
	withMetadata := func(m *extprocv3.ProcessingRequest, name any) *extprocv3.ProcessingRequest {
		m.MetadataContext = namespaceMetadata(name)
		return m
	}
	allowedBy := func(policy string) []string {
		return []string{lines("request continue", strings.Replace(metaAllowed, "policy=list", "policy="+policy, 1))}
	}
	return []conversation{
		{
			name: "gRPC metadata names the policy", metadata: []string{"x-corsgate-policy", "list"},
			send: messages{unnamed()}, want: allowedBy("list"),
		},
		{
			name: "gRPC metadata beats the route", metadata: []string{"x-corsgate-policy", "list"},
			send: messages{withAttributes(unnamed(), "envoy.filters.http.ext_proc", map[string]any{route: "acting"})}, want: allowedBy("list"),
		},
		{
			name: "empty gRPC metadata names nothing", metadata: []string{"x-corsgate-policy", ""},
			send: messages{withAttributes(unnamed(), "envoy.filters.http.ext_proc", map[string]any{route: "list"})}, want: allowedBy("list"),
		},
		{
			name: "the route beats the virtual host",
			send: messages{withAttributes(unnamed(), "envoy.filters.http.ext_proc", map[string]any{route: "list", vhost: "acting"})}, want: allowedBy("list"),
		},
		{
			name: "the virtual host beats dynamic metadata",
			send: messages{withMetadata(withAttributes(unnamed(), "my.filter", map[string]any{vhost: "list"}), "acting")}, want: allowedBy("list"),
		},
		{
			name: "dynamic metadata names the policy",
			send: messages{withMetadata(unnamed(), "list")}, want: allowedBy("list"),
		},
		{
			name: "a name that YAML takes for a number is a name",
			send: messages{withMetadata(unnamed(), 2024)}, want: allowedBy("2024"),
		},
		{
			name: "attributes of any filter count",
			send: messages{withAttributes(withAttributes(unnamed(), "a", map[string]any{"request.host": "x"}), "b", map[string]any{route: "list"})},
			want: allowedBy("list"),
		},
		{
			name: "a name that does not exist is a denial", metadata: []string{"x-corsgate-policy", "nobody"},
			send: messages{get("list.test", app)},
			want: []string{lines("request continue", `metadata corsgate: apply=replace origin="https://app.example.com" reason=policy_unknown`)},
		},
		{
			name: "a name that is none is a denial, not the absence of a name",
			send: messages{withMetadata(get("list.test", app), true)},
			want: []string{lines("request continue", `metadata corsgate: apply=replace origin="https://app.example.com" reason=policy_unknown`)},
		},
	}
}

func responseFirstConversations() []conversation {
	type messages = []*extprocv3.ProcessingRequest
	const filter = "envoy.filters.http.ext_proc"
	request := func(method, origin string) map[string]any {
		return map[string]any{
			"request.headers['origin']": origin, "request.method": method, "request.host": "list.test", "request.path": "/x?y",
			"request.headers['access-control-request-method']": "PUT",
		}
	}
	reply := func() *extprocv3.ProcessingRequest {
		return responseHeaders(":status: 401", "access-control-allow-origin: *")
	}
	return []conversation{
		{
			name: "a stream that begins with the response uses the attributes",
			send: messages{withAttributes(reply(), filter, request("GET", app))},
			want: []string{lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "append vary: Origin", metaAllowed)},
			ends: true,
		},
		{
			name: "a denied one of them loses the upstream's headers",
			send: messages{withAttributes(reply(), filter, request("GET", "https://evil.example"))},
			want: []string{lines("response continue", "remove 7", "append vary: Origin", metaDenied)},
			ends: true,
		},
		{
			name: "a reply that comes too late grants nothing",
			send: messages{withAttributes(reply(), filter, request("OPTIONS", app))},
			want: []string{lines("response continue", "remove 7", "append vary: Origin",
				`metadata corsgate: allow_credentials=true allow_origin=https://app.example.com apply=none expose_headers=x-request-id origin="https://app.example.com" policy=list reason=preflight_allowed`)},
			ends: true,
		},
		{
			name: "without attributes nothing is guessed",
			send: messages{reply()}, want: []string{lines("response continue")}, ends: true,
		},
		{
			name: "without an origin among them nothing is guessed",
			send: messages{withAttributes(reply(), filter, map[string]any{"request.host": "list.test"})},
			want: []string{lines("response continue")}, ends: true,
		},
	}
}

func TestExtProcHeaderForm(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: testStore(t)}))
	stream, err := client.Process(testContext(t))
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
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: testStore(t)}))
	stream, err := client.Process(testContext(t))
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
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: testStore(t)}))
	m := get("list.test", app)
	for _, h := range m.GetRequestHeaders().GetHeaders().GetHeaders() {
		h.Value, h.RawValue = string(h.RawValue), nil
	}
	hold(t, client, conversation{send: []*extprocv3.ProcessingRequest{m}, want: []string{lines("request continue", metaAllowed)}})
}

func TestExtProcKeepsItsDecisionOverAReload(t *testing.T) {
	store := testStore(t)
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: store}))
	stream, err := client.Process(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, stream, get("list.test", app))
	store.Swap(compile(t, []policy.Spec{{Name: "other", CORS: policy.CORS{AllowOrigins: []string{"https://other.example.com"}}}}))
	got := shown(exchange(t, stream, responseHeaders(":status: 200")))
	want := lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "append vary: Origin")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the reload (-want +got):\n%s", diff)
	}
}

func TestExtProcBeforeTheFirstSet(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: &policy.Store{}}))
	t.Run("a request is Envoy's failure mode's", func(t *testing.T) {
		stream, err := client.Process(testContext(t))
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

// logged is a buffer that a logger of many goroutines may write to.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

type observerFunc func(*policy.Request, *policy.Decision)

func (f observerFunc) Observe(_ context.Context, r *policy.Request, d *policy.Decision) { f(r, d) }

func TestExtProcLetsThroughWhatPanics(t *testing.T) {
	log := &logged{}
	bad := observerFunc(func(*policy.Request, *policy.Decision) { panic("out of cheese") })
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: testStore(t), Observer: bad, Logger: log.logger()}))
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
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Store: testStore(t), Observer: o}))
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
	s := &server.Server{Store: testStore(t), Observer: o, Logger: log.logger()}
	t.Run("cancelled", func(t *testing.T) {
		client := extprocv3.NewExternalProcessorClient(serve(t, s))
		ctx, cancel := context.WithCancel(testContext(t))
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
