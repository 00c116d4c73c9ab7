package server_test

import (
	"fmt"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

// question is a request as Envoy asks about it; headers are "name: value".
type question struct {
	method, host string
	headers      []string
	raw          bool // as header_map
	extensions   map[string]string
	route        any // the policy that the route's metadata names
}

func (q question) message() *authv3.CheckRequest {
	http := &authv3.AttributeContext_HttpRequest{Method: q.method, Host: q.host, Path: "/"}
	if q.raw {
		http.HeaderMap = headerMap(q.headers...)
	} else {
		http.Headers = map[string]string{}
		for _, h := range q.headers {
			name, value, _ := strings.Cut(h, ": ")
			http.Headers[name] = value
		}
	}
	a := &authv3.AttributeContext{
		Request:           &authv3.AttributeContext_Request{Http: http},
		ContextExtensions: q.extensions,
	}
	if q.route != nil {
		a.RouteMetadataContext = namespaceMetadata(q.route)
	}
	return &authv3.CheckRequest{Attributes: a}
}

// shownCheck writes an answer in lines that a table can state.
func shownCheck(out *authv3.CheckResponse) string {
	var b strings.Builder
	headers := out.GetOkResponse().GetResponseHeadersToAdd()
	if denied := out.GetDeniedResponse(); denied != nil {
		fmt.Fprintf(&b, "denied %d %s\n", denied.GetStatus().GetCode(), codes.Code(out.GetStatus().GetCode()))
		headers = denied.GetHeaders()
	} else {
		fmt.Fprintf(&b, "ok %s\n", codes.Code(out.GetStatus().GetCode()))
	}
	for _, h := range headers {
		showHeader(&b, h)
	}
	fmt.Fprintf(&b, "metadata: %s\n", shownStruct(out.GetDynamicMetadata()))
	return b.String()
}

func TestExtAuthz(t *testing.T) {
	const (
		allowed = `metadata: allow_credentials=true allow_origin=https://app.example.com apply=replace expose_headers=x-request-id origin="https://app.example.com" policy=list reason=request_allowed`
		denied  = `metadata: apply=replace origin="https://evil.example" policy=list reason=request_origin_denied`
	)
	inMetadata := map[string]string{"headers": "metadata"}
	client := authv3.NewAuthorizationClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	for _, c := range []struct {
		name     string
		metadata []string
		question question
		want     string
	}{
		{
			name:     "an allowed preflight is a denial with its status and headers",
			question: question{method: "OPTIONS", host: "list.test", headers: []string{"origin: " + app, "access-control-request-method: PUT"}},
			want: lines("denied 204 PermissionDenied", setOrigin, setCreds, setExpose, "set access-control-allow-methods: PUT",
				"set access-control-allow-headers: content-type", "set access-control-max-age: 600",
				"set vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
				`metadata: allow_credentials=true allow_origin=https://app.example.com apply=none expose_headers=x-request-id origin="https://app.example.com" policy=list reason=preflight_allowed`),
		},
		{
			name:     "a denied preflight is a 403",
			question: question{method: "OPTIONS", host: "list.test", headers: []string{"origin: https://evil.example", "access-control-request-method: PUT"}, extensions: inMetadata},
			want: lines("denied 403 PermissionDenied", "set vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
				`metadata: apply=none origin="https://evil.example" policy=list reason=preflight_origin_denied`),
		},
		{
			name:     "a blocked request is a 403",
			question: question{method: "POST", host: "block.test", headers: []string{"origin: https://evil.example"}},
			want:     lines("denied 403 PermissionDenied", "set vary: Origin", `metadata: apply=none origin="https://evil.example" policy=block reason=request_blocked`),
		},
		{
			name:     "an allowed request's headers are added",
			question: question{method: "GET", host: "list.test", headers: []string{"origin: " + app}},
			want:     lines("ok OK", setOrigin, setCreds, setExpose, "append vary: Origin", allowed),
		},
		{
			name:     "an allowed request's headers travel in the metadata when that is asked for",
			question: question{method: "GET", host: "list.test", headers: []string{"origin: " + app}, extensions: inMetadata},
			want:     lines("ok OK", allowed),
		},
		{
			name:     "a denied request gets Vary only",
			question: question{method: "GET", host: "list.test", headers: []string{"origin: https://evil.example"}},
			want:     lines("ok OK", "append vary: Origin", denied),
		},
		{
			name:     "a public policy's answer has no Vary",
			question: question{method: "GET", host: "public.test", headers: []string{"origin: https://any.example"}},
			want: lines("ok OK", "set access-control-allow-origin: *", "set access-control-expose-headers: x-r",
				`metadata: allow_origin=* apply=public expose_headers=x-r origin="https://any.example" policy=public reason=request_allowed`),
		},
		{
			name:     "a host without a policy is let through",
			question: question{method: "GET", host: "nowhere.test", headers: []string{"origin: " + app}},
			want:     lines("ok OK", `metadata: apply=none origin="https://app.example.com" reason=no_policy`),
		},
		{
			name:     "raw headers are read, and repeated ones joined",
			question: question{method: "GET", host: "list.test", headers: []string{"origin: " + app, "origin: https://evil.example"}, raw: true, extensions: inMetadata},
			want:     lines("ok OK", `metadata: apply=replace origin="https://app.example.com,https://evil.example" policy=list reason=request_origin_malformed`),
		},
		{
			name:     "raw bytes that are not UTF-8 travel quoted",
			question: question{method: "GET", host: "list.test", headers: []string{"origin: \xff"}, raw: true, extensions: inMetadata},
			want:     lines("ok OK", `metadata: apply=replace origin="\xff" policy=list reason=request_origin_malformed`),
		},
		{
			name:     "the context extension names the policy",
			question: question{method: "GET", host: "nowhere.test", headers: []string{"origin: " + app}, extensions: map[string]string{"headers": "metadata", "policy": "list"}},
			want:     lines("ok OK", allowed),
		},
		{
			name:     "the route's metadata beats the context extension",
			question: question{method: "GET", host: "nowhere.test", headers: []string{"origin: " + app}, extensions: map[string]string{"headers": "metadata", "policy": "acting"}, route: "list"},
			want:     lines("ok OK", allowed),
		},
		{
			name: "gRPC metadata beats the route's", metadata: []string{"x-corsgate-policy", "list"},
			question: question{method: "GET", host: "nowhere.test", headers: []string{"origin: " + app}, extensions: inMetadata, route: "acting"},
			want:     lines("ok OK", allowed),
		},
		{
			name:     "a name that does not exist is a denial",
			question: question{method: "GET", host: "list.test", headers: []string{"origin: " + app}, extensions: map[string]string{"policy": "nobody"}},
			want:     lines("ok OK", "append vary: Origin", `metadata: apply=replace origin="https://app.example.com" reason=policy_unknown`),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := client.Check(metadata.AppendToOutgoingContext(servertest.Context(t), c.metadata...), c.question.message())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, shownCheck(out)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExtAuthzHeaderForm(t *testing.T) {
	client := authv3.NewAuthorizationClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	q := question{method: "GET", host: "list.test", headers: []string{"origin: " + app}}
	out, err := client.Check(servertest.Context(t), q.message())
	if err != nil {
		t.Fatal(err)
	}
	overwrite := func(name, value string) *corev3.HeaderValueOption {
		return &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: name, Value: value},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}
	}
	want := []*corev3.HeaderValueOption{
		overwrite("access-control-allow-origin", app),
		overwrite("access-control-allow-credentials", "true"),
		overwrite("access-control-expose-headers", "x-request-id"),
		{
			Header:       &corev3.HeaderValue{Key: "vary", Value: "Origin"},
			Append:       wrapperspb.Bool(true),
			AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		},
	}
	if diff := cmp.Diff(want, out.GetOkResponse().GetResponseHeadersToAdd(), protocmp.Transform()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestExtAuthzHasNoVerdict(t *testing.T) {
	q := question{method: "GET", host: "list.test", headers: []string{"origin: " + app}}
	bad := observerFunc(func(*policy.Request, *policy.Decision) { panic("out of cheese") })
	for _, c := range []struct {
		name   string
		server *server.Server
		want   codes.Code
	}{
		{"before the first set", &server.Server{Handler: &wire.Handler{}}, codes.Unavailable},
		{"when the decision panics", &server.Server{Handler: testHandler(t, bad)}, codes.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := authv3.NewAuthorizationClient(serve(t, c.server))
			out, err := client.Check(servertest.Context(t), q.message())
			if status.Code(err) != c.want {
				t.Errorf("got %v, %v, want %v", out, err, c.want)
			}
		})
	}
}
