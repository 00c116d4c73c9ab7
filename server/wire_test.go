package server_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

const app = "https://app.example.com"

// testSpecs have a host for each thing that a policy can say.
func testSpecs() []policy.Spec {
	maxAge := 600
	cors := policy.CORS{
		AllowOrigins: []string{app}, AllowMethods: []string{"PUT"}, AllowHeaders: []string{"content-type"},
		ExposeHeaders: []string{"x-request-id"}, AllowCredentials: true, MaxAge: &maxAge,
	}
	none := policy.CORS{AllowOrigins: []string{"https://other.example.com"}}
	return []policy.Spec{
		{Name: "list", Hosts: []string{"list.test"}, CORS: cors},
		{Name: "public", Hosts: []string{"public.test"}, CORS: policy.CORS{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"x-r"}}},
		{Name: "defer", Hosts: []string{"defer.test"}, CORS: cors, UpstreamHeaders: policy.UpstreamDefer},
		{Name: "off", Hosts: []string{"off.test"}, CORS: cors, Mode: policy.ModeOff},
		{Name: "block", Hosts: []string{"block.test"}, CORS: cors, DeniedRequests: policy.DeniedBlock},
		{Name: "forward", Hosts: []string{"forward.test"}, CORS: cors, UnmatchedPreflights: policy.UnmatchedForward},
		{Name: "acting", Hosts: []string{"shadowed.test"}, CORS: cors},
		{Name: "rehearsed", Hosts: []string{"shadowed.test"}, CORS: none, Mode: policy.ModeShadow},
		{Name: "2024", Hosts: []string{"numbered.test"}, CORS: cors},
	}
}

func testHandler(t testing.TB, o wire.Observer) *wire.Handler {
	t.Helper()
	return handlerOf(t, policytest.Compile(t, testSpecs()...), o)
}

// handlerOf returns a handler that serves set, and tells o of decisions.
func handlerOf(t testing.TB, set *policy.Set, o wire.Observer) *wire.Handler {
	t.Helper()
	h := &wire.Handler{Observer: o}
	servertest.Prepare(t, h, set)()
	return h
}

// serve runs s on an in-memory listener until the test ends.
func serve(t testing.TB, s *server.Server) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s.Listener = l
	servertest.Run(t, s.Run)
	return servertest.Dial(t, l)
}

func headerMap(pairs ...string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for _, p := range pairs {
		i := strings.Index(p[1:], ":") + 1
		value := strings.TrimPrefix(p[i+1:], " ")
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: p[:i], RawValue: []byte(value)})
	}
	return m
}

func requestHeaders(pairs ...string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{
		RequestHeaders: &extprocv3.HttpHeaders{Headers: headerMap(pairs...)},
	}}
}

func responseHeaders(pairs ...string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{
		ResponseHeaders: &extprocv3.HttpHeaders{Headers: headerMap(pairs...)},
	}}
}

// get is a request to host with an Origin, and more.
func get(host, origin string, more ...string) *extprocv3.ProcessingRequest {
	return requestHeaders(append([]string{":method: GET", ":authority: " + host, ":path: /", "origin: " + origin}, more...)...)
}

func preflight(host, origin, method string, more ...string) *extprocv3.ProcessingRequest {
	return requestHeaders(append([]string{
		":method: OPTIONS", ":authority: " + host, ":path: /", "origin: " + origin, "access-control-request-method: " + method,
	}, more...)...)
}

// withAttributes adds attributes under a filter's name.
func withAttributes(m *extprocv3.ProcessingRequest, filter string, values map[string]any) *extprocv3.ProcessingRequest {
	s, err := structpb.NewStruct(values)
	if err != nil {
		panic(err)
	}
	if m.Attributes == nil {
		m.Attributes = map[string]*structpb.Struct{}
	}
	m.Attributes[filter] = s
	return m
}

// namespaceMetadata is metadata with the policy of that name.
func namespaceMetadata(name any) *corev3.Metadata {
	s, err := structpb.NewStruct(map[string]any{"policy": name})
	if err != nil {
		panic(err)
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"corsgate": s}}
}

// shown writes an answer in lines that a table can state.
func shown(out *extprocv3.ProcessingResponse) string {
	var b strings.Builder
	switch r := out.GetResponse().(type) {
	case *extprocv3.ProcessingResponse_ImmediateResponse:
		i := r.ImmediateResponse
		fmt.Fprintf(&b, "immediate %d %s\n", i.GetStatus().GetCode(), i.GetDetails())
		showMutation(&b, i.GetHeaders())
		if len(i.GetBody()) > 0 {
			b.WriteString("body\n")
		}
	case *extprocv3.ProcessingResponse_RequestHeaders:
		b.WriteString("request continue\n")
		showMutation(&b, r.RequestHeaders.GetResponse().GetHeaderMutation())
	case *extprocv3.ProcessingResponse_ResponseHeaders:
		b.WriteString("response continue\n")
		showMutation(&b, r.ResponseHeaders.GetResponse().GetHeaderMutation())
	default:
		fmt.Fprintf(&b, "%T\n", r)
	}
	if s := out.GetDynamicMetadata(); s != nil {
		for _, namespace := range slices.Sorted(maps.Keys(s.GetFields())) {
			fmt.Fprintf(&b, "metadata %s: %s\n", namespace, shownStruct(s.GetFields()[namespace].GetStructValue()))
		}
	}
	return b.String()
}

func showMutation(b *strings.Builder, m *extprocv3.HeaderMutation) {
	if n := len(m.GetRemoveHeaders()); n > 0 {
		fmt.Fprintf(b, "remove %d\n", n)
	}
	for _, h := range m.GetSetHeaders() {
		showHeader(b, h)
	}
}

func showHeader(b *strings.Builder, h *corev3.HeaderValueOption) {
	verb := "set"
	if h.GetAppend().GetValue() {
		verb = "append"
	}
	fmt.Fprintf(b, "%s %s: %s%s\n", verb, h.GetHeader().GetKey(), h.GetHeader().GetRawValue(), h.GetHeader().GetValue())
}

func shownStruct(s *structpb.Struct) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(s.GetFields())) {
		parts = append(parts, fmt.Sprintf("%s=%v", key, s.GetFields()[key].AsInterface()))
	}
	return strings.Join(parts, " ")
}

// lines joins what an answer should show.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }
