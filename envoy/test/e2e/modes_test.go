package e2e

var modes = []exchange{
	{
		name: "a host without a policy", do: "GET plain.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "no_policy", owned),
	}, {
		name: "a preflight to a host without a policy", do: "OPTIONS plain.test/", with: []string{allowed, asksPut}, answers: owns,
		want: of("200", "seen", "no_policy", owned),
	}, {
		name: "no origin and a host without a policy", do: "GET plain.test/", answers: owns,
		want: unasked("200", "seen", owned),
		but:  map[string][]string{twoPhase: of("200", "seen", "no_policy", owned)},
	}, {
		name: "a policy in shadow", do: "GET shadow.test/", with: []string{denied}, answers: owns,
		want: of("200", "seen", "no_policy", owned),
		but:  strippedAlone,
	}, {
		name: "a preflight and a policy in shadow", do: "OPTIONS shadow.test/", with: []string{allowed, asksPut}, answers: owns,
		want: of("200", "seen", "no_policy", owned),
		but:  preflightAlone,
	}, {
		name: "a policy that is off", do: "OPTIONS off.test/", with: []string{allowed, asksPut}, answers: owns,
		want: of("200", "seen", "policy_off", owned),
	}, {
		name: "a blocked request", do: "POST block.test/", with: []string{denied},
		want: of("403", "unseen", "request_blocked", vary),
	}, {
		name: "a safe request is not blocked", do: "GET block.test/", with: []string{denied},
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "the site's own request is not blocked", do: "POST block.test/", with: []string{denied, fromSite},
		want: of("200", "seen", "same_origin", vary),
	}, {
		name: "a request without an origin is not blocked", do: "POST block.test/",
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", vary)},
	}, {
		name: "a safe request is blocked where all are", do: "GET strict.test/", with: []string{denied},
		want: of("403", "unseen", "request_blocked", vary),
	}, {
		name: "debug says why the origin is denied", do: "OPTIONS debug.test/", with: []string{denied, asksPut},
		want: of("403", "unseen", "preflight_origin_denied", "x-corsgate-reason: preflight_origin_denied", preVary),
	}, {
		name: "debug lets the browser say which method is denied", do: "OPTIONS debug.test/", with: []string{allowed, "Access-Control-Request-Method: DELETE"},
		want: of("204", "unseen", "preflight_method_denied", grants[:2], preVary),
	}, {
		name: "a forwarded preflight comes back untouched", do: "OPTIONS forward.test/", with: []string{denied, asksPut}, answers: owns,
		want: of("200", "seen", "preflight_origin_denied", owned),
	}, {
		name: "a forwarded preflight of an allowed origin is answered", do: "OPTIONS forward.test/", with: []string{allowed, asksPut}, answers: owns,
		want: of("204", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a preflight that is answered with what it asked for", do: "OPTIONS lists.test/", with: []string{allowed, asksPut, "Access-Control-Request-Headers: content-type"},
		want: of("204", "unseen", "preflight_allowed", grants[:3], "access-control-allow-methods: PUT",
			"access-control-allow-headers: content-type", "access-control-max-age: 600", preVary),
	}, {
		name: "a preflight that is answered with 200", do: "OPTIONS status.test/", with: []string{allowed, asksPut},
		want: of("200", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a denied preflight is answered with 403 all the same", do: "OPTIONS status.test/", with: []string{denied, asksPut},
		want: of("403", "unseen", "preflight_origin_denied", preVary),
	}, {
		name: "a policy in shadow beside one that acts", do: "GET overlaid.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", grants),
		but:  strippedAlone,
	}, {
		name: "an origin that only the policy in shadow allows", do: "GET overlaid.test/", with: []string{"Origin: https://next.example"}, answers: owns,
		want: of("200", "seen", "request_origin_denied", vary),
		but:  strippedAlone,
	}, {
		name: "a preflight that only the policy in shadow allows", do: "OPTIONS overlaid.test/", with: []string{"Origin: https://next.example", asksPut},
		want: of("403", "unseen", "preflight_origin_denied", preVary),
		but:  preflightAlone,
	}, {
		name: "the site's own request is not blocked where all are", do: "POST strict.test/", with: []string{denied, fromSite},
		want: of("200", "seen", "same_origin", vary),
	}, {
		name: "the site's own request of a browser without Fetch Metadata is not blocked", do: "POST strict.test/", with: []string{"Origin: https://strict.test"},
		want: of("200", "seen", "same_origin", vary),
	}, {
		name: "another site's request is blocked", do: "POST strict.test/", with: []string{denied, "Sec-Fetch-Site: cross-site"},
		want: of("403", "unseen", "request_blocked", vary),
	}, {
		name: "a request from another port is blocked", do: "POST strict.test/", with: []string{"Origin: https://strict.test:8443"},
		want: of("403", "unseen", "request_blocked", vary),
	}, {
		name: "a policy that the virtual host names", do: "GET named.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary),
		but:  refusedAlone,
	}, {
		name: "a policy that the virtual host names, without an origin", do: "POST named.test/",
		want: unasked("200", "seen", vary),
		but: map[string][]string{
			twoPhase: of("200", "seen", "not_cors", vary),
			noTrip:   of("200", "seen", "not_cors", vary), // it asks about what Envoy names
			alone:    of("200", "seen", "needs_service", vary),
		},
	}, {
		name: "a policy that the virtual host names denies others", do: "GET named.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_origin_denied", vary),
		but:  refusedAlone,
	}, {
		name: "a policy that the route names", do: "GET routed.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary),
		but:  refusedAlone,
	}, {
		name: "the route's name beats the virtual host's", do: "GET twice.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary),
		but:  refusedAlone,
	}, {
		name: "what a route says besides is no name", do: "GET beside.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary),
		but:  refusedAlone,
	}, {
		name: "an empty name of a route is none", do: "GET empty.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary),
		but:  refusedAlone,
	}, {
		name: "null is no name of a route", do: "GET null.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "request_allowed", "access-control-allow-origin: https://named.example", "access-control-expose-headers: x-named", vary),
		but:  refusedAlone,
	}, {
		name: "a number is a name of no policy", do: "GET number.test/", with: []string{"Origin: https://named.example"},
		want: of("200", "seen", "policy_unknown", vary),
		but:  refusedAlone,
	}, {
		name: "a name of no policy denies requests", do: "GET unknown.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "policy_unknown", vary),
		but:  refusedAlone,
	}, {
		name: "a name of no policy denies preflights", do: "OPTIONS unknown.test/", with: []string{allowed, asksPut},
		want: of("403", "unseen", "policy_unknown", preVary),
		but:  preflightAlone,
	},
}

var oddRequests = []exchange{
	{
		name: "a host with a port and upper case", do: "GET APP.test:8443/", with: []string{allowed},
		want: of("200", "seen", "request_allowed", grants),
		but:  strippedAlone,
	}, {
		name: "a managed host with nothing to decide", do: "GET sub.managed.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "no_policy", owned),
	}, {
		name: "an origin that is no text", do: "GET app.test/", with: []string{"Origin: https://app.example\xff"}, answers: owns,
		want: of("200", "seen", "request_origin_malformed", vary),
		but:  strippedAlone,
	}, {
		name: "HEAD", do: "HEAD app.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "HEAD of an unknown origin", do: "HEAD app.test/", with: []string{denied}, answers: owns,
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "304", do: "GET app.test/", with: []string{allowed, `If-None-Match: "a"`}, answers: `304; Etag: "a"; Vary: Accept; Vary: Accept-Language`,
		want: of("304", "seen", "request_allowed", grants[:3], "vary: Accept, Accept-Language, Origin"),
	}, {
		name: "304 for an unknown origin", do: "GET app.test/", with: []string{denied, `If-None-Match: "a"`}, answers: `304; Etag: "a"; Access-Control-Allow-Origin: *`,
		want: of("304", "seen", "request_origin_denied", vary),
	}, {
		name: "Max-Age in a request is nobody's business", do: "GET app.test/", with: []string{allowed, "Access-Control-Allow-Origin: *"},
		want: of("200", "seen", "request_allowed", grants),
	},
}

// twice are requests that Envoy sends upstream twice.
var twice = []exchange{
	{
		name: "a retry", do: "GET app.test/retried", with: []string{allowed}, answers: "503; Access-Control-Allow-Origin: *; Vary: Cookie | " + owns,
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "a retry for an unknown origin", do: "GET app.test/retried", with: []string{denied}, answers: "503 | " + owns,
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "a retry in vain", do: "GET app.test/retried", with: []string{allowed}, answers: "503; Access-Control-Allow-Origin: *",
		want: of("503", "seen", "request_allowed", grants),
	}, {
		name: "a retry without an origin", do: "GET app.test/retried", answers: "503 | " + owns,
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", vary)},
	}, {
		name: "a redirect that Envoy follows", do: "GET app.test/followed", with: []string{allowed}, answers: "302; Location: http://app.test/after; Access-Control-Allow-Origin: * | " + owns,
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "a redirect that Envoy follows for an unknown origin", do: "GET app.test/followed", with: []string{denied}, answers: "302; Location: http://app.test/after | " + owns,
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "a redirect that Envoy follows to another policy", do: "GET app.test/followed", with: []string{denied}, answers: "302; Location: http://public.test/after | " + owns,
		want: of("200", "seen", "request_allowed", publicGrants),
	}, {
		name: "a redirect that Envoy follows to a host without a policy", do: "GET app.test/followed", with: []string{allowed}, answers: "302; Location: http://plain.test/after | " + owns,
		want: of("200", "seen", "no_policy", owned),
	},
}

// What Envoy answers to gRPC has the status 200, whatever grpc-status says.
const grpcCall, grpcWebCall = "Content-Type: application/grpc", "Content-Type: application/grpc-web+proto"

var webGrants = []string{
	"access-control-allow-origin: https://app.example",
	"access-control-expose-headers: grpc-status, grpc-message, grpc-status-details-bin", vary,
}

var grpcRequests = []exchange{
	{
		name: "gRPC of an allowed origin", do: "POST app.test/shop.Cart/Add", with: []string{allowed, grpcCall},
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "gRPC of an unknown origin is not turned into a reply", do: "POST app.test/shop.Cart/Add", with: []string{denied, grpcCall}, answers: owns,
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "gRPC of an unknown origin is blocked where all is", do: "POST strict.test/shop.Cart/Add", with: []string{denied, grpcCall},
		want: of("200", "unseen", "request_blocked", vary),
	}, {
		name: "gRPC-Web of an allowed origin", do: "POST web.test/shop.Cart/Add", with: []string{allowed, grpcWebCall, "X-Grpc-Web: 1"}, answers: owns,
		want: of("200", "seen", "request_allowed", webGrants),
	}, {
		name: "gRPC-Web of an unknown origin is not turned into a reply", do: "POST web.test/shop.Cart/Add", with: []string{denied, grpcWebCall}, answers: owns,
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "gRPC-Web of an unknown origin is blocked where all is", do: "POST strict.test/shop.Cart/Add", with: []string{denied, grpcWebCall},
		want: of("403", "unseen", "request_blocked", vary),
	}, {
		name: "the preflight of gRPC-Web", do: "OPTIONS web.test/shop.Cart/Add",
		with: []string{allowed, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,grpc-timeout,x-grpc-web,x-user-agent"},
		want: of("204", "unseen", "preflight_allowed", webGrants[:2],
			"access-control-allow-headers: content-type, x-grpc-web, x-user-agent, grpc-timeout", preVary),
	},
}
