package notrip

import (
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// preflight decides CORS-preflight requests in the order in which Fetch,
// #cors-preflight-fetch, checks the answer: origin, method, headers.
func (c *compiler) preflight(s *site) node {
	return c.byPath(s, true, func(p *compiled) node {
		switch {
		case p.spec.Mode == policy.ModeOff:
			return c.off(p)
		case p.asked:
			return c.ask(p.blocking(), true)
		}
		return c.preflightOf(p, &s.target)
	})
}

// preflightOf is how p answers preflights.
func (c *compiler) preflightOf(p *compiled, t *target) node {
	switch {
	case p.Public:
		return c.checks(p) // for every well-formed origin
	case !p.isLarge():
		return c.byOrigin(p, c.checks(p), c.originDenied(p))
	case t.authority == "":
		return c.shared(p, t)
	}
	return c.alike(p)
}

// checks are the checks that follow if the origin is allowed. Policies with the same
// lists share them.
func (c *compiler) checks(p *compiled) node {
	return c.chains.run("preflight", c.nest("preflight", func(inner *compiler) node { return inner.methods(p) }))
}

func (c *compiler) originDenied(p *compiled) node {
	a := p.Answers.Rejected
	switch {
	case p.spec.UnmatchedPreflights == policy.UnmatchedForward:
		a = p.Answers.Pass
	case p.spec.Debug:
		a = p.Answers.Debug.OriginDenied
	}
	return c.answer(p.spec.Name, policy.ReasonPreflightOriginDenied.String(), a)
}

// deny denies a preflight whose origin is allowed.
func (c *compiler) deny(p *compiled, reason policy.Reason, debug *policy.Answer) node {
	if p.spec.Debug {
		return c.answer(p.spec.Name, reason.String(), debug)
	}
	return c.answer(p.spec.Name, reason.String(), p.Answers.Rejected)
}

// methods checks the requested method. The CORS-safelisted ones are always allowed
// (Fetch, #cors-preflight-fetch, step 7), a forbidden one never is (Fetch,
// #forbidden-method).
func (c *compiler) methods(p *compiled) node {
	names, star := withoutStar(p.spec.CORS.AllowMethods)
	allowed := append([]string{"GET", "HEAD", "POST"}, slices.DeleteFunc(names, policy.IsForbiddenMethod)...)
	denied := c.deny(p, policy.ReasonPreflightMethodDenied, p.Answers.Debug.Method)
	malformed := c.deny(p, policy.ReasonPreflightMalformed, p.Answers.Debug.Method)
	checks := c.headers(p)
	branches := []when{
		{matchesAny(requestMethod, literals(allowed)), checks},
		{matches(requestMethod, `(?i)connect|trace|track`), denied},
		{not(matches(requestMethod, tokenByte+"+")), malformed},
	}
	if !star {
		return first(denied, branches...)
	}
	if p.spec.CORS.AllowCredentials {
		// If "*" were echoed, it would be a wildcard for requests without credentials.
		branches = append(branches, when{equals(requestMethod, "*"), denied})
	}
	return first(checks, branches...)
}

// withoutStar returns the names without "*", and whether that is among them.
func withoutStar(list []string) (names []string, star bool) {
	for _, name := range list {
		if name == "*" {
			star = true
			continue
		}
		names = append(names, name)
	}
	return names, star
}

// headers checks the requested headers.
func (c *compiler) headers(p *compiled) node {
	names, star := withoutStar(p.spec.CORS.AllowHeaders)
	none := c.granted(p, policy.FromHeaders)
	branches := []when{
		{not(has(requestHeaders)), none},
		{not(matches(requestHeaders, list(tokenByte+"+"))), c.deny(p, policy.ReasonPreflightMalformed, p.Answers.Debug.Malformed)},
	}
	denied := c.deny(p, policy.ReasonPreflightHeaderDenied, p.Answers.Debug.Header)
	if star {
		if uncovered := notCovered(p, names); uncovered != "" {
			branches = append(branches, when{matches(requestHeaders, element(uncovered)), denied})
		}
		return first(c.echo(p, commonHeaders, none), branches...)
	}
	// Old browsers list some names that no page can set (Fetch,
	// #forbidden-request-header). Such names are not granted, and they deny nothing.
	branches = append(branches, when{matches(requestHeaders, list(eitherOf(anyCases(names), skipped))), c.echo(p, slices.Sorted(slices.Values(names)), none)})
	return first(denied, branches...)
}

// notCovered matches the names that "*" does not cover and that are not listed beside it
// (Fetch, #cors-non-wildcard-request-header-name).
func notCovered(p *compiled, names []string) string {
	var list []string
	for _, name := range []string{"*", "authorization"} {
		if !slices.Contains(names, name) && !policy.StarCoversHeader(name, p.spec.CORS.AllowCredentials) {
			list = append(list, name)
		}
	}
	return anyCases(list)
}

// skipped matches the names of Fetch, #forbidden-request-header, without case.
var skipped = eitherOf(anyCases(policy.ForbiddenRequestHeaders()), forbiddenPrefix)

// eitherOf matches what one of the expressions matches; an empty one matches nothing.
func eitherOf(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "|" + b
}

// maxEchoed bounds the names of a list that is echoed. The length of its expression grows
// with the square of their number.
const maxEchoed = 32

// canEcho reports whether lists of the names compile.
func canEcho(names []string) bool {
	return len(names) <= maxEchoed && len(ascending(names)) <= 2*maxExpression
}

// echo grants a list of names that passed. If the answer lists the requested names, it
// repeats the request's own bytes, but only if a browser would write them so and all are
// granted: an ascending list of the known names, or one name. Envoy asks about other
// spellings.
func (c *compiler) echo(p *compiled, known []string, none node) node {
	if !p.EchoesHeaders {
		return none
	}
	_, star := withoutStar(p.spec.CORS.AllowHeaders)
	branches := []when{{matches(requestHeaders, `[ \t,]*`), none}}
	if len(known) > 0 && canEcho(known) {
		branches = append(branches, when{matches(requestHeaders, ascending(known)), c.granted(p)})
	}
	if star {
		branches = append(branches, when{and(matches(requestHeaders, lowerTokenByte+"+"), not(matches(requestHeaders, skipped))), c.granted(p)})
	}
	return first(c.ask(p.blocking(), true), branches...)
}

// granted allows a preflight.
func (c *compiler) granted(p *compiled, skip ...policy.Source) node {
	reason := policy.ReasonPreflightAllowed.String()
	plain := c.answer(p.spec.Name, reason, p.Answers.Granted, skip...)
	if p.Answers.Private == nil {
		return plain
	}
	return first(plain, when{equals(requestPrivate, "true"), c.answer(p.spec.Name, reason, p.Answers.Private, skip...)})
}
