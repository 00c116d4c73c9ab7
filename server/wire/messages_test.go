package wire_test

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	modev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

const (
	app  = "https://app.example.com"
	evil = "https://evil.example"

	filterName = "envoy.filters.http.ext_proc"
)

// testSpecs have a host for each thing that a policy can say.
func testSpecs() []policy.Spec {
	maxAge := 600
	list := policy.CORS{
		AllowOrigins: []string{app, "https://*.apps.example.com", "http://localhost:*", "app://."}, AllowMethods: []string{"PUT", "DELETE"},
		AllowHeaders: []string{"authorization", "content-type", "x-a"}, ExposeHeaders: []string{"x-request-id"},
		AllowCredentials: true, MaxAge: &maxAge,
	}
	star := policy.CORS{AllowOrigins: []string{app}, AllowMethods: []string{"*"}, AllowHeaders: []string{"*"}, AllowCredentials: true}
	none := policy.CORS{AllowOrigins: []string{"https://other.example.com"}}
	insecure := []policy.OptIn{policy.OptInInsecureOrigins, policy.OptInPrivateNetworkAccess}
	with := func(s policy.Spec, c policy.CORS) policy.Spec {
		s.Hosts, s.CORS, s.Dangerously = []string{s.Name + ".test"}, c, insecure
		return s
	}
	return []policy.Spec{
		with(policy.Spec{Name: "list"}, list),
		with(policy.Spec{Name: "public"}, policy.CORS{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"x-r"}}),
		with(policy.Spec{Name: "defer", UpstreamHeaders: policy.UpstreamDefer}, list),
		with(policy.Spec{Name: "off", Mode: policy.ModeOff}, list),
		with(policy.Spec{Name: "block", DeniedRequests: policy.DeniedBlock}, list),
		with(policy.Spec{Name: "forward", UnmatchedPreflights: policy.UnmatchedForward}, list),
		with(policy.Spec{Name: "debug", Debug: true}, list),
		with(policy.Spec{Name: "star"}, star),
		with(policy.Spec{Name: "requested", PreflightLists: policy.ListsRequested, PreflightStatus: 200}, list),
		with(policy.Spec{Name: "private", AllowPrivateNetwork: true}, list),
		with(policy.Spec{Name: "2024"}, list),
		with(policy.Spec{Name: "acting"}, list),
		{Name: "rehearsed", Hosts: []string{"acting.test"}, CORS: none, Mode: policy.ModeShadow},
	}
}

func testSet(t testing.TB) *policy.Set {
	t.Helper()
	return policytest.Compile(t, testSpecs()...)
}

// handlerOf returns a handler that serves set, and tells o of decisions.
func handlerOf(t testing.TB, set *policy.Set, o wire.Observer) *wire.Handler {
	t.Helper()
	h := &wire.Handler{Observer: o}
	servertest.Prepare(t, h, set)()
	return h
}

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headerMap returns headers as Envoy sends them; pairs are "name: value".
func headerMap(pairs ...string) *corev3.HeaderMap {
	m := &corev3.HeaderMap{}
	for _, p := range pairs {
		i := strings.Index(p[1:], ":") + 1
		m.Headers = append(m.Headers, &corev3.HeaderValue{Key: p[:i], RawValue: []byte(strings.TrimPrefix(p[i+1:], " "))})
	}
	return m
}

func requestMessage(pairs ...string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{
		RequestHeaders: &extprocv3.HttpHeaders{Headers: headerMap(pairs...), EndOfStream: true},
	}}
}

func responseMessage(pairs ...string) *extprocv3.ProcessingRequest {
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{
		ResponseHeaders: &extprocv3.HttpHeaders{Headers: headerMap(pairs...)},
	}}
}

// get is a request to host with an Origin, and more.
func get(host, origin string, more ...string) *extprocv3.ProcessingRequest {
	return requestMessage(append([]string{":method: GET", ":authority: " + host, ":path: /", "origin: " + origin}, more...)...)
}

func preflight(host, origin, method string, more ...string) *extprocv3.ProcessingRequest {
	return requestMessage(append([]string{
		":method: OPTIONS", ":authority: " + host, ":path: /", "origin: " + origin, "access-control-request-method: " + method,
	}, more...)...)
}

// withAttributes adds attributes under a filter's name.
func withAttributes(m *extprocv3.ProcessingRequest, filter string, values map[string]any) *extprocv3.ProcessingRequest {
	if m.Attributes == nil {
		m.Attributes = map[string]*structpb.Struct{}
	}
	m.Attributes[filter] = structOf(values)
	return m
}

// structOf returns a Struct of values, which have one.
func structOf(values map[string]any) *structpb.Struct {
	s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for k, v := range values {
		s.Fields[k], _ = structpb.NewValue(v)
	}
	return s
}

// namespaceMetadata is metadata with the policy of that name.
func namespaceMetadata(name any) *corev3.Metadata {
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
		"corsgate": structOf(map[string]any{"policy": name}),
		"other":    structOf(map[string]any{"policy": "public"}),
	}}
}

// asking adds how Envoy is configured to ask.
func asking(m *extprocv3.ProcessingRequest, request, response modev3.ProcessingMode_BodySendMode, sendBody bool) *extprocv3.ProcessingRequest {
	m.ProtocolConfig = &extprocv3.ProtocolConfiguration{RequestBodyMode: request, ResponseBodyMode: response, SendBodyWithoutWaitingForHeaderResponse: sendBody}
	return m
}

func withMetadataContext(m *extprocv3.ProcessingRequest, name any) *extprocv3.ProcessingRequest {
	m.MetadataContext = namespaceMetadata(name)
	return m
}

// lateAttributes are those of a stream that begins with the response.
func lateAttributes(host, method, origin string) map[string]any {
	return map[string]any{
		"request.headers['origin']": origin, "request.method": method, "request.host": host, "request.path": "/x?y",
		"request.headers['access-control-request-method']": "PUT",
	}
}

// conversation is the messages of one stream.
type conversation struct {
	name  string
	named string // policy by the transport's metadata
	send  []*extprocv3.ProcessingRequest
}

func (c *conversation) encoded(t testing.TB) [][]byte {
	var messages [][]byte
	for _, m := range c.send {
		messages = append(messages, encoded(t, m))
	}
	return messages
}

type messages = []*extprocv3.ProcessingRequest

func conversations() []conversation {
	ok := func(pairs ...string) *extprocv3.ProcessingRequest {
		return responseMessage(append([]string{":status: 200"}, pairs...)...)
	}
	var all []conversation
	for _, s := range testSpecs() {
		host := s.Name + ".test"
		all = append(all,
			conversation{name: host + ", an allowed origin", send: messages{get(host, app), ok("access-control-allow-origin: *", "vary: Accept")}},
			conversation{name: host + ", another origin", send: messages{get(host, evil), ok("vary: Accept, ", "Vary: X-A")}},
			conversation{name: host + ", an app", send: messages{get(host, "app://."), ok()}},
			conversation{name: host + ", a file's preflight", send: messages{preflight(host, "file://", "PUT"), ok()}},
			conversation{name: host + ", no origin", send: messages{requestMessage(":method: GET", ":authority: "+host, ":path: /"), ok("vary: a,ORIGIN")}},
			conversation{name: host + ", a preflight", send: messages{preflight(host, app, "PUT", "access-control-request-headers: content-type,x-a", "access-control-request-private-network: true"), ok()}},
			conversation{name: host + ", a preflight of another origin", send: messages{preflight(host, evil, "PUT"), ok("vary: *")}},
			conversation{name: host + ", a preflight for another method", send: messages{preflight(host, app, "PATCH", "access-control-request-headers: x-none"), ok("access-control-allow-origin: ")}},
			conversation{name: host + ", the response first", send: messages{withAttributes(ok(), filterName, lateAttributes(host, "GET", app))}},
			conversation{name: host + ", the response to a preflight first", send: messages{withAttributes(ok("vary: A"), filterName, lateAttributes(host, "OPTIONS", app))}},
		)
	}
	return append(all, oddConversations()...)
}

func oddConversations() []conversation {
	const (
		route = "xds.route_metadata.filter_metadata['corsgate'].policy"
		vhost = "xds.virtual_host_metadata.filter_metadata['corsgate'].policy"
	)
	nowhere := func() *extprocv3.ProcessingRequest { return get("nowhere.test", app) }
	return []conversation{
		{name: "no policy", send: messages{nowhere(), responseMessage(":status: 200")}},
		{name: "a policy by the transport", named: "list", send: messages{withAttributes(nowhere(), filterName, map[string]any{route: "star"})}},
		{name: "a policy by the route", send: messages{withAttributes(nowhere(), filterName, map[string]any{route: "list", vhost: "star"})}},
		{name: "the name of a route", send: messages{withAttributes(get("list.test", app), filterName, map[string]any{"xds.route_name": "to-list"}), responseMessage(":status: 200")}},
		{name: "the name of a route, the response first", send: messages{withAttributes(withAttributes(responseMessage(":status: 200"), filterName, lateAttributes("list.test", "GET", app)), "z", map[string]any{"xds.route_name": "to-list"})}},
		{name: "a policy by the virtual host", send: messages{withMetadataContext(withAttributes(nowhere(), "z", map[string]any{vhost: "list"}), "star")}},
		{name: "a policy by either of both", send: messages{withMetadataContext(withAttributes(nowhere(), filterName, map[string]any{eitherPolicy: "list"}), "star")}},
		{name: "a policy by the route and by either", send: messages{withAttributes(nowhere(), filterName, map[string]any{route: "list", eitherPolicy: "star"})}},
		{name: "a policy by dynamic metadata", send: messages{withMetadataContext(nowhere(), "list")}},
		{name: "a policy that is a number", send: messages{withMetadataContext(nowhere(), 2024)}},
		{name: "a policy that is null", send: messages{withMetadataContext(get("list.test", app), nil)}},
		{name: "a policy that is a truth value", send: messages{withMetadataContext(get("list.test", app), true)}},
		{name: "a policy that is a list", send: messages{withMetadataContext(get("list.test", app), []any{"list"})}},
		{name: "a policy that is a struct", send: messages{withMetadataContext(get("list.test", app), map[string]any{"policy": "list"})}},
		{name: "a policy that does not exist", named: "nobody", send: messages{get("list.test", app), responseMessage(":status: 200")}},
		{name: "a preflight for a policy that does not exist", named: "nobody", send: messages{preflight("list.test", app, "PUT")}},
		{name: "the attributes of two filters", send: messages{withAttributes(withAttributes(nowhere(), "b", map[string]any{route: "star"}), "a", map[string]any{route: "list"})}},
		{name: "two Origin lines", send: messages{get("list.test", app, "Origin: "+app)}},
		{name: "an empty Origin line before a good one", send: messages{get("list.test", "", "origin: "+app)}},
		{name: "several lines of several headers", send: messages{preflight("list.test", app, "PUT", "access-control-request-headers: x-a", ":path: /b", "Access-Control-Request-Headers: content-type", ":path: /c")}},
		{name: "an origin that is not UTF-8", send: messages{get("list.test", "https://\xff.example"), responseMessage("vary: \xff")}},
		{name: "an origin with quotes", send: messages{get("list.test", "\"a\\b\x00\u00e9\U0001F600")}},
		{name: "a long origin", send: messages{get("list.test", strings.Repeat("\x01", 5000))}},
		{name: "a host header", send: messages{requestMessage(":method: GET", "host: list.test", ":path: /", "origin: "+app)}},
		{name: "CONNECT", send: messages{requestMessage(":method: CONNECT", ":authority: list.test", "origin: "+app)}},
		{name: "a WebSocket handshake", send: messages{get("block.test", evil, "upgrade: websocket"), responseMessage(":status: 101", "access-control-allow-origin: *")}},
		{name: "the site's own request", send: messages{get("block.test", evil, "sec-fetch-site: same-origin"), responseMessage(":status: 200")}},
		{name: "CORS headers of the future", send: messages{get("list.test", app), responseMessage(
			"access-control-z: 1", "access-control-a: 1", "Access-Control-A: 2", "ACCESS-CONTROL-MAX-AGE: 1", "access-control-: x", "access-control: x", "access-control-a: 1")}},
		{name: "a long Vary", send: messages{get("list.test", app), responseMessage("vary: " + strings.Repeat("Accept-Encoding, ", 1000))}},
		{name: "a response without a request", send: messages{responseMessage(":status: 200")}},
		{name: "a response whose attributes are numbers", send: messages{withAttributes(responseMessage(), filterName, map[string]any{"request.headers['origin']": 1e21, "request.host": 0.5, "request.path": true})}},
		{name: "every header among the attributes", send: messages{withAttributes(responseMessage(), filterName, map[string]any{
			"request.headers[':method']": "OPTIONS", "request.headers[':authority']": "private.test", "request.headers[':path']": "/",
			"request.headers['origin']": app, "request.headers['access-control-request-method']": "PUT",
			"request.headers['access-control-request-headers']": "X-A", "request.headers['access-control-request-private-network']": "true",
			"request.headers['sec-fetch-site']": "none", "request.headers['upgrade']": "websocket", "request.headers[':protocol']": "websocket",
			"request.headers['host']": "x.test",
		})}},
		{name: "two requests on one stream", send: messages{get("list.test", app), get("public.test", evil), responseMessage(":status: 200")}},
		{name: "every other kind", send: messages{
			{Request: &extprocv3.ProcessingRequest_RequestBody{RequestBody: &extprocv3.HttpBody{Body: []byte("x")}}},
			{Request: &extprocv3.ProcessingRequest_RequestTrailers{RequestTrailers: &extprocv3.HttpTrailers{Trailers: headerMap("origin: x")}}},
			{Request: &extprocv3.ProcessingRequest_ResponseBody{ResponseBody: &extprocv3.HttpBody{}}},
			{Request: &extprocv3.ProcessingRequest_ResponseTrailers{ResponseTrailers: &extprocv3.HttpTrailers{}}},
		}},
		{name: "bodies that have to come back", send: messages{asking(get("list.test", app), modev3.ProcessingMode_NONE, modev3.ProcessingMode_FULL_DUPLEX_STREAMED, false), responseMessage(":status: 200")}},
		{name: "bodies of gRPC", send: messages{asking(get("list.test", evil), modev3.ProcessingMode_GRPC, modev3.ProcessingMode_NONE, false)}},
		{name: "bodies that are shown", send: messages{asking(get("list.test", app), modev3.ProcessingMode_STREAMED, modev3.ProcessingMode_BUFFERED_PARTIAL, true)}},
		{name: "Envoy writes the response's headers", send: messages{asking(get("list.test", app), modev3.ProcessingMode_NONE, modev3.ProcessingMode_NONE, true)}},
		{name: "a body mode below all", send: messages{asking(get("list.test", app), -1, -1, true)}},
		{name: "answers that are ignored", send: messages{{Request: get("list.test", app).GetRequest(), ObservabilityMode: true}, responseMessage(":status: 200")}},
		{name: "no known kind", send: messages{withMetadataContext(&extprocv3.ProcessingRequest{ObservabilityMode: true}, "list")}},
	}
}

// question is a request as Envoy asks ext_authz about it.
type question struct {
	name  string
	named string
	check *authv3.AttributeContext
}

func (q *question) encoded(t testing.TB) []byte {
	return encoded(t, &authv3.CheckRequest{Attributes: q.check})
}

// asked returns the context of a question; raw headers are in header_map.
func asked(method, host string, raw bool, pairs ...string) *authv3.AttributeContext {
	http := &authv3.AttributeContext_HttpRequest{Id: "1", Method: method, Host: host, Path: "/", Scheme: "https", Protocol: "HTTP/2"}
	if raw {
		http.HeaderMap = headerMap(pairs...)
	} else {
		http.Headers = map[string]string{}
		for _, p := range pairs {
			name, value, _ := strings.Cut(p, ": ")
			http.Headers[name] = value
		}
	}
	return &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: http}}
}

func questions() []question {
	inMetadata := map[string]string{"headers": "metadata"}
	extended := func(c *authv3.AttributeContext, extensions map[string]string) *authv3.AttributeContext {
		c.ContextExtensions = extensions
		return c
	}
	var all []question
	for _, s := range testSpecs() {
		host := s.Name + ".test"
		all = append(all,
			question{name: host + ", an allowed origin", check: asked("GET", host, false, "origin: "+app)},
			question{name: host + ", an allowed origin, headers in metadata", check: extended(asked("GET", host, true, "origin: "+app), inMetadata)},
			question{name: host + ", another origin", check: asked("GET", host, true, "origin: "+evil)},
			question{name: host + ", an app", check: asked("GET", host, false, "origin: app://.")},
			question{name: host + ", a file's preflight", check: asked("OPTIONS", host, true, "origin: file://", "access-control-request-method: PUT")},
			question{name: host + ", no origin", check: asked("GET", host, false)},
			question{name: host + ", a preflight", check: asked("OPTIONS", host, true, "origin: "+app, "access-control-request-method: PUT", "access-control-request-headers: x-a,content-type")},
			question{name: host + ", a preflight for another method", check: asked("OPTIONS", host, false, "origin: "+app, "access-control-request-method: PATCH")},
		)
	}
	all = append(all,
		question{name: "repeated raw headers", check: asked("GET", "list.test", true, "origin: "+app, "origin: "+evil)},
		question{name: "names that differ in case", check: asked("GET", "list.test", false, "origin: "+app, "Origin: "+evil, "ORIGIN: x", "host: x")},
		question{name: "an origin that is not UTF-8", check: asked("GET", "list.test", true, "origin: \xff")},
		question{name: "pseudo headers only", check: asked("", "", false, ":method: GET", ":authority: list.test", ":path: /", "origin: "+app)},
		question{name: "a policy by the transport", named: "list", check: extended(asked("GET", "nowhere.test", false, "origin: "+app), map[string]string{"policy": "star"})},
		question{name: "a policy by a context extension", check: extended(asked("GET", "nowhere.test", false, "origin: "+app), map[string]string{"policy": "list", "more": "x"})},
		question{name: "a policy that does not exist", check: extended(asked("OPTIONS", "list.test", false, "origin: "+app, "access-control-request-method: PUT"), map[string]string{"policy": "nobody"})},
	)
	byRoute := extended(asked("GET", "nowhere.test", false, "origin: "+app), map[string]string{"policy": "star"})
	byRoute.RouteMetadataContext = namespaceMetadata("list")
	both := asked("GET", "list.test", true, "origin: "+app)
	both.GetRequest().GetHttp().Headers = map[string]string{"origin": evil, "sec-fetch-site": "none"}
	unknown := asked("GET", "list.test", true, "x-a: 1")
	unknown.GetRequest().GetHttp().Headers = both.GetRequest().GetHttp().GetHeaders()
	byMetadata := asked("GET", "nowhere.test", false, "origin: "+app)
	byMetadata.MetadataContext = namespaceMetadata(2024)
	return append(all,
		question{name: "raw headers beside a map", check: both},
		question{name: "raw headers that are not known beside a map", check: unknown},
		question{name: "a policy by the route's metadata", check: byRoute},
		question{name: "a policy by the transport and the route's metadata", named: "public", check: byRoute},
		question{name: "a policy by dynamic metadata", check: byMetadata},
	)
}
