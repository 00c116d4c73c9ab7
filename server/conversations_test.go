package server_test

import (
	"strings"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
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
			name: "a WebSocket handshake's response is edited like any other",
			send: messages{get("list.test", app, "upgrade: websocket"), responseHeaders(":status: 101", "upgrade: websocket")},
			want: []string{lines("request continue", metaAllowed), lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "append vary: Origin")},
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
			name: "a name that is not a text is a denial, not the absence of a name",
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
