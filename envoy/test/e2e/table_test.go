package e2e

// The pieces that the table is made of.
const (
	allowed   = "Origin: https://app.example"
	denied    = "Origin: https://evil.example"
	asksPut   = "Access-Control-Request-Method: PUT"
	asksName  = "Access-Control-Request-Headers: authorization,content-type"
	fromSite  = "Sec-Fetch-Site: same-origin"
	owns      = "200; Access-Control-Allow-Origin: *; Access-Control-Allow-Credentials: true; Access-Control-Expose-Headers: X-Own; Access-Control-Allow-Methods: DELETE; Access-Control-Max-Age: 1"
	vary      = "vary: Origin"
	preVary   = "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	oneTrip   = "one-trip"
	twoPhase  = "two-phase"
	extAuthz  = "ext-authz"
	oneRoute  = "one-trip/route"
	twoRoute  = "two-phase/route"
	authRoute = "ext-authz/route"
	noTrip    = "no-trip"
	// Setups of no-trip: in one filter, in several, and without a service.
	noTripOne, noTripShards, alone = "no-trip/one", "no-trip/shards", "no-trip/alone"
)

// Origins that every profile asks about: no-trip leaves labels of more than 40
// bytes to the service.
const (
	askedOrigin = "https://a-label-of-more-than-forty-bytes-is-asked-about.apps.example"
	asked       = "Origin: " + askedOrigin
	askedDenied = "Origin: https://a-label-of-more-than-forty-bytes-is-asked-about.evil.example"
)

// owned are the lines of an answer of owns that is left alone.
var owned = []string{
	"access-control-allow-credentials: true", "access-control-allow-methods: DELETE", "access-control-allow-origin: *",
	"access-control-expose-headers: X-Own", "access-control-max-age: 1",
}

// of lists the lines of an answer; a list in it stands for its lines.
func of(lines ...any) []string {
	var all []string
	for _, l := range lines {
		switch l := l.(type) {
		case string:
			all = append(all, l)
		case []string:
			all = append(all, l...)
		}
	}
	return all
}

// grants are the lines that let https://app.example read an answer.
var grants = []string{
	"access-control-allow-credentials: true", "access-control-allow-origin: https://app.example",
	"access-control-expose-headers: x-request-id", vary,
}

// grantsAsked are those that let askedOrigin read it.
var grantsAsked = of(grants[:1], "access-control-allow-origin: "+askedOrigin, grants[2:])

// grantsPreflight are the lines that let it send what it asked for.
var grantsPreflight = []string{
	"access-control-allow-credentials: true", "access-control-allow-origin: https://app.example",
	"access-control-expose-headers: x-request-id", "access-control-allow-headers: authorization, content-type",
	"access-control-allow-methods: GET, PUT, QUERY", "access-control-max-age: 600", preVary,
}

var grantsAskedPreflight = of(grantsPreflight[:1], "access-control-allow-origin: "+askedOrigin, grantsPreflight[2:])

// publicGrants are those of public.test.
var publicGrants = []string{"access-control-allow-origin: *", "access-control-expose-headers: etag"}

// What no-trip answers without a service to what it must ask about: it strips,
// but refuses preflights, and what one of the policies may block. If Envoy names
// the policy, or an authority is odd, that may be any policy.
var (
	strippedAlone  = map[string][]string{alone: of("200", "seen", "needs_service", vary)}
	refusedAlone   = map[string][]string{alone: of("403", "unseen", "needs_service", vary)}
	preflightAlone = map[string][]string{alone: of("403", "unseen", "needs_service", preVary)}
)

// Requests without an Origin are asked about in two-phase only, and no-trip notes
// nothing of them.
func unasked(lines ...any) []string { return of(append(lines, "-")...) }

var exchanges = concat(preflights, requests, upstreamHeaders, varies, localReplies, twice, modes, oddRequests, grpcRequests)

func concat(lists ...[]exchange) (all []exchange) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

var preflights = []exchange{
	{
		name: "an allowed preflight", do: "OPTIONS app.test/", with: []string{allowed, asksPut},
		want: of("204", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a preflight with headers", do: "OPTIONS app.test/", with: []string{allowed, asksPut, asksName},
		want: of("204", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a preflight of an unknown origin", do: "OPTIONS app.test/", with: []string{denied, asksPut},
		want: of("403", "unseen", "preflight_origin_denied", preVary),
	}, {
		name: "a preflight of a method that is not allowed", do: "OPTIONS app.test/", with: []string{allowed, "Access-Control-Request-Method: DELETE"},
		want: of("403", "unseen", "preflight_method_denied", preVary),
	}, {
		name: "a preflight of a header that is not allowed", do: "OPTIONS app.test/", with: []string{allowed, asksPut, "Access-Control-Request-Headers: x-evil"},
		want: of("403", "unseen", "preflight_header_denied", preVary),
	}, {
		name: "a preflight of what is no origin", do: "OPTIONS app.test/", with: []string{"Origin: https://app.example/", asksPut},
		want: of("403", "unseen", "preflight_malformed", preVary),
		but:  preflightAlone,
	}, {
		name: "a preflight with two origins", do: "OPTIONS app.test/", with: []string{allowed, denied, asksPut},
		want: of("403", "unseen", "preflight_malformed", preVary),
		but:  preflightAlone,
	}, {
		name: "a preflight where a route leads nowhere", do: "OPTIONS app.test/dead", with: []string{allowed, asksPut},
		want: of("204", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a preflight without the credentials that a later filter wants", do: "OPTIONS app.test/private", with: []string{allowed, asksPut},
		want: of("204", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a preflight beyond the limit of a later filter", do: "OPTIONS app.test/limited", with: []string{allowed, asksPut},
		want: of("204", "unseen", "preflight_allowed", grantsPreflight),
	}, {
		name: "a preflight of a public policy", do: "OPTIONS public.test/", with: []string{denied, "Access-Control-Request-Method: GET"},
		want: of("204", "unseen", "preflight_allowed", publicGrants, preVary),
	}, {
		name: "a preflight of a header that is no text", do: "OPTIONS star.test/", with: []string{allowed, asksPut, "Access-Control-Request-Headers: x-\xe9"},
		want: of("403", "unseen", "preflight_malformed", preVary),
	}, {
		name: "a preflight of a method that is no text", do: "OPTIONS star.test/", with: []string{allowed, "Access-Control-Request-Method: P\xdcT"},
		want: of("403", "unseen", "preflight_malformed", preVary),
	}, {
		name: "OPTIONS without a requested method is no preflight", do: "OPTIONS app.test/", with: []string{allowed},
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "OPTIONS without an origin is no preflight", do: "OPTIONS app.test/", with: []string{asksPut},
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", vary)},
	},
}

var requests = []exchange{
	{
		name: "a request of an allowed origin", do: "GET app.test/", with: []string{allowed},
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "a request of a subdomain", do: "PUT app.test/", with: []string{"Origin: https://a.b.apps.example"},
		want: of("200", "seen", "request_allowed", grants[:1], "access-control-allow-origin: https://a.b.apps.example", grants[2:]),
	}, {
		name: "a request of an unknown origin", do: "POST app.test/", with: []string{denied},
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "a request of what is no origin", do: "GET app.test/", with: []string{"Origin: https://app.example:443"},
		want: of("200", "seen", "request_origin_malformed", vary),
		but:  strippedAlone,
	}, {
		name: "a request with two origins", do: "GET app.test/", with: []string{allowed, allowed},
		want: of("200", "seen", "request_origin_malformed", vary),
		but:  strippedAlone,
	}, {
		name: "a request with an origin that is no text", do: "GET app.test/", with: []string{"Origin: https://\xff\xfe.example"},
		want: of("200", "seen", "request_origin_malformed", vary),
		but:  strippedAlone,
	}, {
		name: "a request of no origin in particular", do: "GET app.test/", with: []string{"Origin: null"},
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "a request without an origin", do: "GET app.test/",
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", vary)},
	}, {
		name: "a request with an empty origin", do: "GET app.test/", with: []string{"Origin: "},
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", vary)},
	}, {
		name: "HEAD", do: "HEAD app.test/", with: []string{allowed},
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "a path with a query and dots", do: "GET app.test/a/../b", with: []string{allowed},
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "any origin of a public policy", do: "GET public.test/", with: []string{denied},
		want: of("200", "seen", "request_allowed", publicGrants),
	}, {
		name: "no origin at all of a public policy", do: "GET public.test/",
		want: unasked("200", "seen", vary), // nobody is asked, so Vary takes the place of "*"
		but: map[string][]string{
			twoPhase: of("200", "seen", "not_cors", publicGrants),
			noTrip:   unasked("200", "seen", publicGrants), // Envoy knows the policy
		},
	},
}

var upstreamHeaders = []exchange{
	{
		name: "the upstream's headers are replaced for an allowed origin", do: "GET app.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "the upstream's headers are stripped for an unknown origin", do: "GET app.test/", with: []string{denied}, answers: owns,
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "the upstream's headers are stripped without an origin", do: "GET app.test/", answers: owns,
		want: unasked("200", "seen", vary),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", vary)},
	}, {
		name: "the upstream's headers are replaced by public ones", do: "GET public.test/", with: []string{denied}, answers: owns,
		want: of("200", "seen", "request_allowed", publicGrants),
	}, {
		name: "the upstream's headers on an error are replaced", do: "GET app.test/", with: []string{allowed}, answers: "500; Access-Control-Allow-Origin: *",
		want: of("500", "seen", "request_allowed", grants),
	}, {
		name: "two lines of the upstream are replaced by one", do: "GET app.test/", with: []string{allowed},
		answers: "200; Access-Control-Allow-Origin: https://a.example; Access-Control-Allow-Origin: https://b.example",
		want:    of("200", "seen", "request_allowed", grants),
	}, {
		name: "the upstream's private network header is stripped", do: "GET app.test/", with: []string{denied}, answers: "200; Access-Control-Allow-Private-Network: true",
		want: of("200", "seen", "request_origin_denied", vary),
	}, {
		name: "defer leaves an answer with the header alone", do: "GET defer.test/", with: []string{allowed}, answers: owns,
		want: of("200", "seen", "request_allowed", owned),
	}, {
		name: "defer leaves it alone for an unknown origin", do: "GET defer.test/", with: []string{denied}, answers: owns,
		want: of("200", "seen", "request_origin_denied", owned),
	}, {
		name: "defer sets the headers of an answer without it", do: "GET defer.test/", with: []string{allowed}, answers: "200; Access-Control-Expose-Headers: X-Own",
		want: of("200", "seen", "request_allowed", grants),
	}, {
		name: "defer without an origin", do: "GET defer.test/", answers: owns,
		want: unasked("200", "seen", owned),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", owned)},
	},
}

var varies = []exchange{
	{
		name: "Vary of the upstream is kept", do: "GET app.test/", with: []string{allowed}, answers: "200; Vary: Accept-Encoding",
		want: of("200", "seen", "request_allowed", grants[:3], "vary: Accept-Encoding, Origin"),
	}, {
		name: "Vary in two lines is kept", do: "GET app.test/", with: []string{allowed}, answers: "200; Vary: Accept-Encoding; Vary: Accept-Language",
		want: of("200", "seen", "request_allowed", grants[:3], "vary: Accept-Encoding, Accept-Language, Origin"),
	}, {
		name: "Vary with the origin is not repeated", do: "GET app.test/", with: []string{allowed}, answers: "200; Vary: accept-encoding,origin",
		want: of("200", "seen", "request_allowed", grants[:3], "vary: accept-encoding, origin"),
	}, {
		name: "Vary with the origin in another line is not repeated", do: "GET app.test/", with: []string{denied}, answers: "200; Vary: Origin; Vary: Accept",
		want: of("200", "seen", "request_origin_denied", "vary: Origin, Accept"),
	}, {
		name: "Vary with a name that contains the word", do: "GET app.test/", with: []string{denied}, answers: "200; Vary: X-Origin, Original",
		want: of("200", "seen", "request_origin_denied", "vary: X-Origin, Original, Origin"),
	}, {
		name: "Vary that is a star", do: "GET app.test/", with: []string{allowed}, answers: "200; Vary: *",
		want: of("200", "seen", "request_allowed", grants[:3], "vary: *"),
	}, {
		name: "Vary without an origin", do: "GET app.test/", answers: "200; Vary: Accept",
		want: unasked("200", "seen", "vary: Accept, Origin"),
		but:  map[string][]string{twoPhase: of("200", "seen", "not_cors", "vary: Accept, Origin")},
	}, {
		name: "Vary of a public answer", do: "GET public.test/", with: []string{denied}, answers: "200; Vary: Accept",
		want: of("200", "seen", "request_allowed", publicGrants, "vary: Accept"),
	},
}

var localReplies = concat(
	localReply("a direct response", "/direct", "200"),
	localReply("a redirect", "/redirect", "301"),
	localReply("503 of a dead cluster", "/dead", "503"),
	localReply("429 of a rate limit", "/limited", "429"),
	localReply("401 of a later filter", "/private", "401"),
	[]exchange{
		{
			name: "404 without a route", do: "GET noroute.test/other", with: []string{allowed},
			want: of("404", "unseen", "request_allowed", grants),
			but: map[string][]string{
				// ext_authz does not ask without a route; the default strips.
				extAuthz: of("404", "unseen", "unanswered", vary),
				// No route enables the filters.
				oneRoute: unasked("404", "unseen"), twoRoute: unasked("404", "unseen"), authRoute: unasked("404", "unseen"),
			},
		}, {
			name: "404 without a route for an unknown origin", do: "GET noroute.test/other", with: []string{denied},
			want: of("404", "unseen", "request_origin_denied", vary),
			but: map[string][]string{
				extAuthz: of("404", "unseen", "unanswered", vary),
				oneRoute: unasked("404", "unseen"), twoRoute: unasked("404", "unseen"), authRoute: unasked("404", "unseen"),
			},
		}, {
			name: "404 without a route and without an origin", do: "GET noroute.test/other",
			want: unasked("404", "unseen"), // what a virtual host enables comes with a route
			but: map[string][]string{
				twoRoute: unasked("404", "unseen"), twoPhase: of("404", "unseen", "not_cors", vary),
				noTrip: unasked("404", "unseen", vary), // the filter needs no route
			},
		}, {
			name: "429 for anybody", do: "GET public.test/limited", with: []string{denied},
			want: of("429", "unseen", "request_allowed", publicGrants),
		},
	},
)

// localReply is a path that Envoy answers itself: for an allowed origin, an
// unknown one, and none.
func localReply(name, path, status string) []exchange {
	return []exchange{
		{name: name, do: "GET app.test" + path, with: []string{allowed}, want: of(status, "unseen", "request_allowed", grants)},
		{name: name + " for an unknown origin", do: "GET app.test" + path, with: []string{denied}, want: of(status, "unseen", "request_origin_denied", vary)},
		{
			name: name + " without an origin", do: "GET app.test" + path, want: unasked(status, "unseen", vary),
			but: map[string][]string{twoPhase: of(status, "unseen", "not_cors", vary)},
		},
	}
}
