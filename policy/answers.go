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
)

// HeaderReason is the response header that has the reason of a denied preflight,
// with debug.
const HeaderReason = "x-corsgate-reason"

// Answers are all answers that a policy may give, one for each case. Several
// cases may share an Answer.
type Answers struct {
	NotCORS  *Answer // no Origin
	Allowed  *Answer // a request of an allowed origin
	Denied   *Answer // a request of another one, and of the site itself
	Blocked  *Answer // a request of another one that the policy blocks
	Pass     *Answer // a preflight that unmatchedPreflights forwards
	Granted  *Answer // an allowed preflight
	Private  *Answer // the same, asked for by Access-Control-Request-Private-Network; nil without allowPrivateNetwork
	Rejected *Answer // a denied preflight
	// Debug replaces Rejected in a policy with debug.
	Debug DebugAnswers
}

// DebugAnswers are the answers to denied preflights of a policy with debug;
// without, they are nil. If the origin is allowed, they grant what the checks
// before the failed one allowed.
type DebugAnswers struct {
	OriginDenied    *Answer // the origin was denied
	OriginMalformed *Answer // the origin was malformed
	Method          *Answer // the method was denied or malformed
	Header          *Answer // a header was denied
	Malformed       *Answer // a header was malformed, or there were too many
}

// deniedAnswers are denials that belong to no policy: for a policy that does
// not exist, and for an ambiguous path.
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

// blockedReply answers a request instead of the upstream.
func blockedReply() Answer {
	return reply(statusForbidden, Header{Name: headerVary, Value: "Origin"})
}

// debugReply denies a preflight and says why.
func debugReply(r Reason, vary Header) Answer {
	return reply(statusForbidden, Header{Name: HeaderReason, Value: r.String()}, vary)
}

func (b *builder) policyAnswers(p *compiled, s *Spec) Answers {
	apply := applyOf(p, s)
	origin := originHeaders(p)
	exposed := append(origin[:len(origin):len(origin)], listHeader(headerExposeHeaders, strings.Join(s.CORS.ExposeHeaders, ", "))...)
	a := Answers{
		Pass:    b.set.pass,
		Allowed: b.answer(Answer{Action: Edit, Apply: apply, Headers: exposed}),
		Denied:  b.answer(Answer{Action: Edit, Apply: apply}),
		Blocked: b.answer(blockedReply()),
	}
	a.NotCORS = a.Denied
	if p.public {
		// Fetch, #cors-protocol-and-http-caches: a static
		// Access-Control-Allow-Origin belongs on every response.
		a.NotCORS = a.Allowed
	}
	b.preflightAnswers(&a, p, s, origin, exposed)
	return a
}

// applyOf returns how the responses of p are edited. A public answer does not
// depend on the origin, and needs no Vary. Under defer the upstream's answer
// may depend on it.
func applyOf(p *compiled, s *Spec) Apply {
	switch {
	case s.UpstreamHeaders == UpstreamDefer:
		return ApplyDefer
	case p.public:
		return ApplyPublic
	}
	return ApplyReplace
}

// originHeaders returns the headers that tell the browser that the origin may
// read (Fetch, #http-responses): "*" or the origin's own bytes, and "true" for
// credentials, which never goes with "*".
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

func (b *builder) preflightAnswers(a *Answers, p *compiled, s *Spec, origin, exposed []Header) {
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
	a.Granted = b.answer(reply(status, append(granted[:len(granted):len(granted)], vary)...))
	if p.private {
		a.Private = b.answer(reply(status, append(granted[:len(granted):len(granted)],
			Header{Name: headerAllowPrivateNetwork, Value: "true"}, vary)...))
	}
	// Fetch, #http-responses: a server that does not want to share omits the
	// headers, and 403 is a status that goes with that.
	a.Rejected = b.answer(reply(statusForbidden, vary))
	if p.debug {
		b.debugAnswers(a, p, status, origin, vary)
	}
}

// debugAnswers grants all but what was denied, so that the browser's own check
// fails there and its console names it. If the origin is not allowed, no
// header can do that.
func (b *builder) debugAnswers(a *Answers, p *compiled, status int, origin []Header, vary Header) {
	a.Debug.OriginDenied = b.answer(debugReply(ReasonPreflightOriginDenied, vary))
	a.Debug.OriginMalformed = b.answer(debugReply(ReasonPreflightMalformed, vary))
	a.Debug.Method = b.answer(reply(status, append(origin[:len(origin):len(origin)], vary)...))
	methods := append(origin[:len(origin):len(origin)], methodsHeader(p)...)
	a.Debug.Malformed = b.answer(reply(status, append(methods[:len(methods):len(methods)], vary)...))
	// The listed names, never "*", since "*" would allow what was denied.
	names := append(methods[:len(methods):len(methods)], listHeader(headerAllowHeaders, p.headers.text)...)
	a.Debug.Header = b.answer(reply(status, append(names, vary)...))
}

func reply(status int, headers ...Header) Answer {
	return Answer{Action: Reply, Status: status, Apply: ApplyNone, Headers: headers}
}

// methodsHeader is Access-Control-Allow-Methods. "*" counts only without
// credentials (Fetch, #cors-protocol-and-credentials), so with credentials the
// answer names the requested method.
func methodsHeader(p *compiled) []Header {
	switch {
	case p.methods.star && !p.creds:
		return listHeader(headerAllowMethods, "*")
	case p.methods.star || p.lists == ListsRequested:
		return []Header{{Name: headerAllowMethods, From: FromMethod}}
	}
	return listHeader(headerAllowMethods, p.methods.text)
}

// headersHeader is Access-Control-Allow-Headers, by the same rule.
func headersHeader(p *compiled) []Header {
	if p.echoesHeaders() {
		return []Header{{Name: headerAllowHeaders, From: FromHeaders}}
	}
	return listHeader(headerAllowHeaders, p.headersText())
}

// echoesHeaders reports whether the preflight's answer lists the requested
// names.
func (p *compiled) echoesHeaders() bool {
	if p.headers.star {
		return p.creds
	}
	return p.lists == ListsRequested
}

// headersText returns the configured names as a header value. "*", which is
// sent only without credentials, covers all names except Authorization (Fetch,
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

// listHeader returns the header, or no header if its list would be empty: an
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
