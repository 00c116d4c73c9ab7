package notrip

import (
	"slices"
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
			return c.ask(p.blocking(), false)
		}
		return c.requestOf(p, &s.target)
	})
}

// requestOf is how p treats requests with an Origin.
func (c *compiler) requestOf(p *compiled, t *target) node {
	switch {
	case p.Public:
		return c.allowed(p)
	case !p.isLarge():
		return c.byOrigin(p, c.allowed(p), c.denied(p, t))
	case t.authority == "":
		return c.shared(p, t)
	}
	// If the chain need not know the host, it is the same for all hosts.
	denied := slices.DeleteFunc(t.ownOrigins(), p.allows)
	if len(denied) == 0 {
		return c.alike(p)
	}
	own := and(matchesAny(origin, literals(denied)), not(has(secFetchSite)))
	return first(c.alike(p), when{own, c.answer(p.spec.Name, policy.ReasonSameOrigin.String(), p.Answers.Denied)})
}

func (c *compiler) allowed(p *compiled) node {
	return c.answer(p.spec.Name, policy.ReasonRequestAllowed.String(), p.Answers.Allowed)
}

// isLarge reports whether p has one chain for requests and preflights of all its hosts:
// another composite then costs less than a copy for each host.
func (p *compiled) isLarge() bool { return p.listsMany || len(p.spec.Hosts) > maxListed }

// alike is how p treats requests and preflights, for all hosts whose own requests are
// handled already. It is made once, since there may be thousands of hosts.
func (c *compiler) alike(p *compiled) node {
	if c.alikes[p] == nil {
		c.alikes[p] = c.shared(p, nil)
	}
	return c.alikes[p]
}

// shared is how p treats requests and preflights. t is nil if the site's own requests
// are handled already.
func (c *compiler) shared(p *compiled, t *target) node {
	return c.chains.run("policy", c.nest("policy", func(inner *compiler) node {
		allowed := func(c *compiler) node { return first(c.allowed(p), when{isPreflight, c.methods(p)}) }
		denied := first(inner.denied(p, t), when{isPreflight, inner.originDenied(p)})
		if !p.listsMany {
			return inner.byOrigin(p, allowed(inner), denied)
		}
		return inner.byOrigin(p, inner.chains.run("allowed", inner.nest("allowed", allowed)), denied)
	}))
}

// denied is for requests whose origin p does not allow. It never blocks what the site
// sends to itself. It does not block WebSocket handshakes either: CORS does not apply to
// them, although they have an Origin (Fetch, #origin-header).
func (c *compiler) denied(p *compiled, t *target) node {
	denied := c.answer(p.spec.Name, policy.ReasonRequestOriginDenied.String(), p.Answers.Denied)
	same := c.answer(p.spec.Name, policy.ReasonSameOrigin.String(), p.Answers.Denied)
	if p.blocking() > blocksNothing {
		branches := []when{{isWebSocket, denied}}
		if p.spec.DeniedRequests == policy.DeniedBlockUnsafe {
			branches = append(branches, when{isSafe, denied})
		}
		denied = first(c.answer(p.spec.Name, policy.ReasonRequestBlocked.String(), p.Answers.Blocked), branches...)
	}
	branches := []when{{saysSameOrigin, same}}
	if c.Feed {
		branches = append(branches, when{saysOddly, c.ask(p.blocking(), false)})
	}
	if t != nil {
		branches = append(branches, when{and(t.mayBeOwn(), not(has(secFetchSite))), c.own(p, t, same)})
	}
	return first(denied, branches...)
}

// own is for requests of an origin that may be the site's own, if the browser does not
// say whether it is. Only for an exact authority Envoy knows that without asking.
func (c *compiler) own(p *compiled, t *target, same node) node {
	if t.authority != "" {
		return same
	}
	return c.ask(p.blocking(), false)
}

// mayBeOwn holds for origins that may be the site's own: of the same host and the
// same effective port, whatever the scheme, since TLS may end before Envoy.
func (t *target) mayBeOwn() predicate {
	switch {
	case t.authority != "":
		return matchesAny(origin, literals(t.ownOrigins()))
	case t.parent != "":
		return matches(origin, `https?://[^:]+\.`+literal(t.parent)+`(?::[0-9]+)?`)
	}
	return has(origin)
}

// ownOrigins returns the origins of an exact authority.
func (t *target) ownOrigins() (own []string) {
	host, port := t.authority, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host, port = host[:i], host[i:]
	}
	for _, s := range []struct{ scheme, port string }{{"http", ":80"}, {"https", ":443"}} {
		if port == s.port {
			own = append(own, s.scheme+"://"+host)
			continue
		}
		own = append(own, s.scheme+"://"+host+port)
	}
	return own
}

// off leaves requests alone.
func (c *compiler) off(p *compiled) node {
	return c.chains.run(policy.ReasonPolicyOff.String(), c.notes(p.spec.Name, policy.ReasonPolicyOff.String())...)
}

// noPolicy leaves requests alone.
func (c *compiler) noPolicy() node {
	return c.chains.run(policy.ReasonNoPolicy.String(), c.notes("", policy.ReasonNoPolicy.String())...)
}
