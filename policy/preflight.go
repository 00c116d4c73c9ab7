package policy

// decidePreflight is the server's side of Fetch, #cors-preflight-fetch: origin, method, headers, in the order in which a browser checks.
func (p *compiled) decidePreflight(r *Request) Verdict {
	v := Verdict{Policy: p.name}
	switch p.matchPreflightOrigin(r.Origin) {
	case originMalformed:
		return p.denyOrigin(v, ReasonPreflightMalformed)
	case originDenied:
		return p.denyOrigin(v, ReasonPreflightOriginDenied)
	}
	v.Origin = r.Origin
	if reason, ok := p.checkMethod(r.RequestMethod); !ok {
		return p.denyNames(v, reason, p.answers.Debug.Method)
	}
	v.Method = r.RequestMethod
	headers, reason := p.checkHeaders(r.RequestHeaders)
	switch reason {
	case ReasonPreflightHeaderDenied:
		return p.denyNames(v, reason, p.answers.Debug.Header)
	case ReasonPreflightMalformed:
		return p.denyNames(v, reason, p.answers.Debug.Malformed)
	}
	v.Reason, v.Headers, v.Answer = ReasonPreflightAllowed, headers, p.answers.Granted
	if p.private && r.RequestPrivateNetwork == "true" {
		v.Answer = p.answers.Private
	}
	return v
}

// matchPreflightOrigin wants an origin that user agents send from public
// policies, too: what is not one does not come from a browser.
func (p *compiled) matchPreflightOrigin(origin string) originMatch {
	if !p.public {
		return p.origins.match(origin)
	}
	if _, ok := parseOrigin(origin); ok || origin == "null" {
		return originAllowed
	}
	return originMalformed
}

func (p *compiled) denyOrigin(v Verdict, reason Reason) Verdict {
	v.Reason = reason
	switch {
	case p.forward:
		v.Answer = p.answers.Pass
	case p.debug && reason == ReasonPreflightMalformed:
		v.Answer = p.answers.Debug.OriginMalformed
	case p.debug:
		v.Answer = p.answers.Debug.OriginDenied
	default:
		v.Answer = p.answers.Rejected
	}
	return v
}

// denyNames denies a preflight whose origin is allowed.
func (p *compiled) denyNames(v Verdict, reason Reason, debug *Answer) Verdict {
	v.Reason, v.Answer = reason, p.answers.Rejected
	if p.debug {
		v.Answer = debug
	}
	return v
}

// checkMethod tells whether the requested method is allowed: the
// CORS-safelisted ones always are (Fetch, #cors-preflight-fetch, step 7), a forbidden
// one (Fetch, #forbidden-method) never is, whatever the policy lists.
func (p *compiled) checkMethod(method string) (denied Reason, ok bool) {
	switch {
	case IsSafelistedMethod(method):
		return 0, true
	case IsForbiddenMethod(method):
		return ReasonPreflightMethodDenied, false
	case p.methods.has(method):
		return 0, true
	case !IsToken(method):
		return ReasonPreflightMalformed, false
	case method == "*" && p.creds:
		// Echoed, it would be a wildcard for requests without credentials.
		return ReasonPreflightMethodDenied, false
	case p.methods.star:
		return 0, true
	}
	return ReasonPreflightMethodDenied, false
}
