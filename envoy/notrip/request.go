package notrip

import (
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// request decides requests with an Origin that are not preflights.
func (c *compiler) request(s *site) node {
	return c.byPath(s, false, func(p *compiled) node {
		switch {
		case p.spec.Mode == policy.ModeOff:
			return c.off(p)
		case p.asked:
			return c.ask([]*compiled{p}, false)
		}
		return c.requestOf(p, &s.target)
	})
}

// requestOf is what p says of requests with an Origin.
func (c *compiler) requestOf(p *compiled, t *target) node {
	name := p.spec.Name
	allowed := c.answer(name, policy.ReasonRequestAllowed.String(), p.Answers.Allowed)
	if p.Public {
		return allowed
	}
	return c.byOrigin(p, allowed, c.denied(p, t))
}

// denied is for requests whose origin p does not allow. It never blocks what the
// site sends to itself, nor WebSocket handshakes, which CORS does not govern (Fetch,
// #origin-header is all that they have).
func (c *compiler) denied(p *compiled, t *target) node {
	denied := c.answer(p.spec.Name, policy.ReasonRequestOriginDenied.String(), p.Answers.Denied)
	same := c.answer(p.spec.Name, policy.ReasonSameOrigin.String(), p.Answers.Denied)
	if p.mayBlock() {
		branches := []when{{isWebSocket, denied}}
		if p.spec.DeniedRequests == policy.DeniedBlockUnsafe {
			branches = append(branches, when{isSafe, denied})
		}
		denied = first(c.answer(p.spec.Name, policy.ReasonRequestBlocked.String(), p.Answers.Blocked), branches...)
	}
	return first(denied,
		when{t.mayBeOwn(), first(nil,
			when{saysSameOrigin, same},
			when{not(has(secFetchSite)), c.own(p, t, same)})},
		when{saysSameOrigin, same},
	)
}

// own is for requests of an origin that may be the site's own, if the browser does
// not say whether it is. Only for an exact authority it is known without asking.
func (c *compiler) own(p *compiled, t *target, same node) node {
	if t.authority != "" {
		return same
	}
	return c.ask([]*compiled{p}, false)
}

// mayBeOwn holds for origins that may be the site's own: of the same host and the
// same effective port, whatever the scheme, since TLS may end before Envoy.
func (t *target) mayBeOwn() predicate {
	switch {
	case t.authority != "":
		return matches(origin, t.ownOrigins())
	case t.parent != "":
		return matches(origin, `https?://[^:]+\.`+literal(t.parent)+`(?::[0-9]+)?`)
	}
	return has(origin)
}

// ownOrigins matches the plain origins of an exact authority.
func (t *target) ownOrigins() string {
	host, port := t.authority, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host, port = host[:i], host[i+1:]
	}
	var own []string
	for scheme, byDefault := range map[string]string{"http": "80", "https": "443"} {
		at := literal(scheme + "://" + host)
		if port != "" && port != byDefault {
			at += ":" + port
		}
		own = append(own, at)
	}
	return strings.Join(sorted(own), "|")
}

// off leaves requests alone.
func (c *compiler) off(p *compiled) node {
	return c.chains.run(policy.ReasonPolicyOff.String(), c.decided(p.spec.Name, policy.ReasonPolicyOff.String(), policy.ApplyNone))
}

// noPolicy leaves requests alone.
func (c *compiler) noPolicy() node {
	return c.chains.run(policy.ReasonNoPolicy.String(), c.decided("", policy.ReasonNoPolicy.String(), policy.ApplyNone))
}
