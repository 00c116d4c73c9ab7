package policy

import "strings"

// Decide says what happens to r. It keeps nothing of r, does not block, and does not allocate
// for common requests.
//
// The path chooses the policy in each of its readings. If these choose policies
// that do not answer r alike, the page's spelling of the path would decide, and
// r is denied: ReasonPathAmbiguous.
func (s *Set) Decide(r *Request) Decision {
	d := Decision{Preflight: isPreflight(r)}
	enforced, shadow, known := s.choose(r)
	if known {
		s.judge(&d.Verdict, enforced, r, d.Preflight)
	} else {
		d.Verdict = s.unknownVerdict(d.Preflight)
	}
	if !shadow.isEmpty() {
		// If no shadow policy covers a reading of the path, the enforced one
		// would still act.
		s.judge(&d.Shadow, shadow.orElse(enforced), r, d.Preflight)
		d.Shadow.Policy = shadow.name()
		d.ShadowDiffers = d.Verdict.Differs(&d.Shadow)
	}
	return d
}

// isPreflight is Fetch, #http-requests: a CORS-preflight request
// is OPTIONS with Origin and Access-Control-Request-Method. Methods are case-sensitive.
func isPreflight(r *Request) bool {
	return r.Method == "OPTIONS" && r.Origin != "" && r.RequestMethod != ""
}

// choose returns the enforced and the shadow policies of r. A policy that Envoy
// names is used whatever its hosts and paths say; known is false if there is
// none of that name, which must not fall back to another one.
func (s *Set) choose(r *Request) (enforced, shadow chosen, known bool) {
	path, others, tooMany := r.Path, []string(nil), false
	if s.enforced.hasPaths() || s.shadow.hasPaths() {
		path, others, tooMany = ReadPath(r.Path)
	}
	if s.shadows {
		shadow = s.shadow.find(r.Authority, path, others, tooMany)
	}
	if r.Policy == "" {
		return s.enforced.find(r.Authority, path, others, tooMany), shadow, true
	}
	p, known := s.byName[r.Policy]
	if known && p.mode == ModeShadow {
		// Shadow changes nothing: what acts is what would act without it.
		return s.enforced.find(r.Authority, path, others, tooMany), chosen{first: p}, true
	}
	return chosen{first: p}, shadow, known
}

func (s *Set) unknownVerdict(preflight bool) Verdict {
	if preflight {
		return Verdict{Reason: ReasonPolicyUnknown, Answer: s.denied.preflight}
	}
	return Verdict{Reason: ReasonPolicyUnknown, Answer: s.denied.request}
}

// verdictOf returns the verdict of p on r. If p is nil, there is no policy.
func (s *Set) verdictOf(p *compiled, r *Request, preflight bool) Verdict {
	switch {
	case p == nil:
		return Verdict{Reason: ReasonNoPolicy, Answer: s.pass}
	case p.mode == ModeOff:
		return Verdict{Policy: p.name, Reason: ReasonPolicyOff, Answer: s.pass}
	}
	return p.decide(r, preflight)
}

// decide returns the verdict of p on r, as if p were enforced.
func (p *compiled) decide(r *Request, preflight bool) Verdict {
	switch {
	case r.Origin == "":
		return Verdict{Policy: p.name, Reason: ReasonNotCORS, Answer: p.answers.NotCORS}
	case preflight:
		return p.decidePreflight(r)
	case p.public:
		return Verdict{Policy: p.name, Reason: ReasonRequestAllowed, Answer: p.answers.Allowed}
	}
	match := p.origins.match(r.Origin)
	if match == originAllowed {
		return Verdict{Policy: p.name, Reason: ReasonRequestAllowed, Answer: p.answers.Allowed, Origin: r.Origin}
	}
	return p.denyRequest(r, match)
}

// denyRequest is for a request whose origin p does not allow. The request is forwarded, since
// CORS keeps scripts from reading answers, and not from making requests. A policy may block
// it instead, but never what the site sends to itself.
func (p *compiled) denyRequest(r *Request, match originMatch) Verdict {
	v := Verdict{Policy: p.name, Reason: ReasonRequestOriginDenied, Answer: p.answers.Denied}
	switch {
	case isSameOrigin(r):
		v.Reason = ReasonSameOrigin
	case p.blocks(r):
		v.Reason, v.Answer = ReasonRequestBlocked, p.answers.Blocked
	case match == originMalformed:
		v.Reason = ReasonRequestOriginMalformed
	}
	return v
}

// blocks reports whether the policy answers a denied request itself. CORS does
// not govern WebSocket handshakes (Fetch, #origin-header is all that they
// have), and a page may not see a refused one's reason.
func (p *compiled) blocks(r *Request) bool {
	if isWebSocket(r) {
		return false
	}
	switch p.denied {
	case DeniedBlock:
		return true
	case DeniedBlockUnsafe:
		return r.Method != "GET" && r.Method != "HEAD" && r.Method != "OPTIONS"
	}
	return false
}

func isWebSocket(r *Request) bool {
	return strings.EqualFold(r.Upgrade, "websocket") || r.Protocol == "websocket"
}

// isSameOrigin reports whether the site made the request itself. The browser
// says so in Sec-Fetch-Site (Fetch Metadata, section 2.4), which no page can
// set; without it the Origin's host and effective port are compared with the
// request's. The scheme is not: TLS may end before Envoy.
func isSameOrigin(r *Request) bool {
	switch r.SecFetchSite {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	o, ok := parseOrigin(r.Origin)
	if !ok || !isSpecial(o.Scheme) {
		return false // an app's pages are no site's
	}
	host, text, ok := splitPort(cutUser(r.Authority))
	if !ok || !strings.EqualFold(strings.TrimSuffix(host, "."), strings.TrimSuffix(o.Host, ".")) {
		return false
	}
	port, ok := parsePort(text)
	return ok && effectivePort(o.Scheme, port) == effectivePort(o.Scheme, o.Port)
}

func effectivePort(scheme string, port int) int {
	if port == 0 {
		return defaultPort(scheme)
	}
	return port
}
