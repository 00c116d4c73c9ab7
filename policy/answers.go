package policy

import (
	"strconv"
	"strings"
)

const (
	statusForbidden = 403
	statusNoContent = 204
)

// The names of the response headers that answers set, in the form of HTTP/2.
const (
	headerAllowOrigin         = "access-control-allow-origin"
	headerAllowCredentials    = "access-control-allow-credentials"
	headerAllowMethods        = "access-control-allow-methods"
	headerAllowHeaders        = "access-control-allow-headers"
	headerExposeHeaders       = "access-control-expose-headers"
	headerMaxAge              = "access-control-max-age"
	headerAllowPrivateNetwork = "access-control-allow-private-network"
	headerVary                = "vary"
	headerReason              = "x-corsgate-reason"
)

// answers are all that a policy may answer.
type answers struct {
	notCORS  *Answer // no Origin
	allowed  *Answer // a request of an allowed origin
	denied   *Answer // a request of another one
	blocked  *Answer // the same where the policy blocks
	pass     *Answer // unmatchedPreflights: forward
	granted  *Answer // an allowed preflight
	private  *Answer // the same, asked for by Access-Control-Request-Private-Network
	rejected *Answer // a denied preflight
	// byReason are denied preflights of a policy with debug, where the origin
	// was not allowed; debug has those where it was.
	byReason map[Reason]*Answer
	debug    debugAnswers
}

// debugAnswers grant what was allowed before the check that failed.
type debugAnswers struct {
	method    *Answer // the method was denied or malformed
	header    *Answer // a header was denied
	malformed *Answer // a header was malformed, or there were too many
}

// deniedAnswers are denials that are no policy's own: of a policy that does not
// exist, and of an ambiguous path.
type deniedAnswers struct {
	request   *Answer
	blocked   *Answer // a request that a policy blocks
	preflight *Answer
	debug     *Answer // a preflight of an ambiguous path, and a policy has debug
}

func (b *builder) deniedAnswers() deniedAnswers {
	vary := preflightVary(false)
	return deniedAnswers{
		request:   b.answer(Answer{Action: Edit, Apply: ApplyReplace}),
		blocked:   b.answer(blockedReply()),
		preflight: b.answer(reply(statusForbidden, vary)),
		debug:     b.answer(debugReply(ReasonPathAmbiguous, vary)),
	}
}

// blockedReply answers a request in place of the upstream.
func blockedReply() Answer {
	return reply(statusForbidden, Header{Name: headerVary, Value: "Origin"})
}

// debugReply denies a preflight and says why.
func debugReply(r Reason, vary Header) Answer {
	return reply(statusForbidden, Header{Name: headerReason, Value: r.String()}, vary)
}

func (b *builder) policyAnswers(p *compiled, s *Spec) answers {
	apply := applyOf(p, s)
	origin := originHeaders(p)
	exposed := append(origin[:len(origin):len(origin)], listHeader(headerExposeHeaders, strings.Join(s.CORS.ExposeHeaders, ", "))...)
	a := answers{
		pass:    b.set.pass,
		allowed: b.answer(Answer{Action: Edit, Apply: apply, Headers: exposed}),
		denied:  b.answer(Answer{Action: Edit, Apply: apply}),
		blocked: b.answer(blockedReply()),
	}
	a.notCORS = a.denied
	if p.public {
		// Fetch, #cors-protocol-and-http-caches: a static
		// Access-Control-Allow-Origin belongs on every response.
		a.notCORS = a.allowed
	}
	b.preflightAnswers(&a, p, s, origin, exposed)
	return a
}

// applyOf returns how the responses of p are edited. A public answer does not
// depend on the origin and needs no Vary; under defer the upstream's may.
func applyOf(p *compiled, s *Spec) Apply {
	switch {
	case s.UpstreamHeaders == UpstreamDefer:
		return ApplyDefer
	case p.public:
		return ApplyPublic
	}
	return ApplyReplace
}

// originHeaders returns what tells the browser that the origin may read
// (Fetch, #http-responses): "*" or the origin's own bytes, and
// "true" for credentials, which never goes with "*".
func originHeaders(p *compiled) []Header {
	if p.public {
		return []Header{{Name: headerAllowOrigin, Value: "*"}}
	}
	hs := []Header{{Name: headerAllowOrigin, From: FromOrigin}}
	if p.creds {
		hs = append(hs, Header{Name: headerAllowCredentials, Value: "true"})
	}
	return hs
}

func (b *builder) preflightAnswers(a *answers, p *compiled, s *Spec, origin, exposed []Header) {
	status := s.PreflightStatus
	if status == 0 {
		status = statusNoContent
	}
	granted := append(exposed[:len(exposed):len(exposed)], methodsHeader(p)...)
	granted = append(granted, headersHeader(p)...)
	if s.CORS.MaxAge != nil {
		granted = append(granted, Header{Name: headerMaxAge, Value: strconv.Itoa(*s.CORS.MaxAge)})
	}
	vary := preflightVary(p.private)
	a.granted = b.answer(reply(status, append(granted[:len(granted):len(granted)], vary)...))
	if p.private {
		a.private = b.answer(reply(status, append(granted[:len(granted):len(granted)],
			Header{Name: headerAllowPrivateNetwork, Value: "true"}, vary)...))
	}
	// Fetch, #http-responses: a server that does not want to share omits the
	// headers, and 403 is a status that goes with that.
	a.rejected = b.answer(reply(statusForbidden, vary))
	if p.debug {
		b.debugAnswers(a, p, status, origin, vary)
	}
}

// debugAnswers lets the browser's own check fail on what was denied, so that
// its console names it. Where the origin is not allowed no header could.
func (b *builder) debugAnswers(a *answers, p *compiled, status int, origin []Header, vary Header) {
	a.byReason = map[Reason]*Answer{}
	for _, r := range []Reason{ReasonPreflightOriginDenied, ReasonPreflightMalformed} {
		a.byReason[r] = b.answer(debugReply(r, vary))
	}
	a.debug.method = b.answer(reply(status, append(origin[:len(origin):len(origin)], vary)...))
	methods := append(origin[:len(origin):len(origin)], methodsHeader(p)...)
	a.debug.malformed = b.answer(reply(status, append(methods[:len(methods):len(methods)], vary)...))
	// The listed names, never "*": what was denied must not pass by it.
	names := append(methods[:len(methods):len(methods)], listHeader(headerAllowHeaders, p.headers.text)...)
	a.debug.header = b.answer(reply(status, append(names, vary)...))
}

func reply(status int, headers ...Header) Answer {
	return Answer{Action: Reply, Status: status, Apply: ApplyNone, Headers: headers}
}

// methodsHeader is Access-Control-Allow-Methods. "*" counts only without
// credentials (Fetch, #cors-protocol-and-credentials), so that
// with them the requested method is named.
func methodsHeader(p *compiled) []Header {
	switch {
	case p.methods.star && !p.creds:
		return listHeader(headerAllowMethods, "*")
	case p.methods.star || p.lists == ListsRequested:
		return []Header{{Name: headerAllowMethods, From: FromMethod}}
	}
	return listHeader(headerAllowMethods, p.methods.text)
}

// headersHeader is Access-Control-Allow-Headers, on the same terms.
func headersHeader(p *compiled) []Header {
	if p.echoesHeaders() {
		return []Header{{Name: headerAllowHeaders, From: FromHeaders}}
	}
	return listHeader(headerAllowHeaders, p.headersText())
}

// echoesHeaders reports whether the preflight's answer lists requested names.
func (p *compiled) echoesHeaders() bool {
	if p.headers.star {
		return p.creds
	}
	return p.lists == ListsRequested
}

// headersText returns the configured names as a header value. "*", which is
// sent without credentials only, covers all but Authorization (Fetch,
// #cors-non-wildcard-request-header-name).
func (p *compiled) headersText() string {
	switch {
	case p.headers.star && p.headers.has("authorization"):
		return "*, authorization"
	case p.headers.star:
		return "*"
	}
	return p.headers.text
}

// listHeader returns the header, or none where its list would be empty: an
// empty Access-Control-Allow-Methods fails the check (Fetch,
// #cors-preflight-fetch).
func listHeader(name, value string) []Header {
	if value == "" {
		return nil
	}
	return []Header{{Name: name, Value: value}}
}

func preflightVary(private bool) Header {
	value := "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	if private {
		value += ", Access-Control-Request-Private-Network"
	}
	return Header{Name: headerVary, Value: value}
}
