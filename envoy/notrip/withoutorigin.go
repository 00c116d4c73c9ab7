package notrip

import (
	"slices"

	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/corsgate/corsgate/policy"
)

// withoutOrigin decides requests that have no Origin. They get the policy's own answer
// by host. Their decisions are not noted, since that would cost more than the answer.
func (c *compiler) withoutOrigin(h *hosts) node {
	return c.byHost(h, c.withoutOriginOf, c.oddAuthority(h, func(blocking) node { return c.askOpen() })...)
}

// withoutOriginOf answers the requests of a site. If the policies of its paths give
// different answers, Envoy asks about paths with several readings.
func (c *compiler) withoutOriginOf(s *site) node {
	edit := func(p *compiled) node { return c.editWithoutOrigin(p.withoutOrigin()) }
	switch {
	case len(s.rules) == 0:
		return c.pass()
	case c.sameWithoutOrigin(s):
		return edit(s.rules[0].policy)
	case s.unread:
		return c.askOpen()
	}
	return first(byRule(s.rules, c.pass(), edit), when{not(matches(path, s.plainPath())), c.askOpen()})
}

// sameWithoutOrigin reports whether every path of the site, which has rules, gets the
// same answer to a request without an Origin.
func (c *compiler) sameWithoutOrigin(s *site) bool {
	covered := s.rules[len(s.rules)-1].path == ""
	return !slices.ContainsFunc(s.rules, func(r rule) bool {
		return !answersAlike(r.policy.withoutOrigin(), s.rules[0].policy.withoutOrigin()) || !covered && !isPass(r.policy.withoutOrigin())
	})
}

// withoutOrigin returns the answer of p to a request without an Origin. It does not
// depend on whether Envoy asks about requests with one.
func (p *compiled) withoutOrigin() *policy.Answer {
	if p.spec.Mode == policy.ModeOff {
		return &policy.Answer{Action: policy.Pass, Apply: policy.ApplyNone}
	}
	return p.Answers.NotCORS
}

func isPass(a *policy.Answer) bool { return a.Action == policy.Pass }

func answersAlike(a, b *policy.Answer) bool {
	return a.Apply == b.Apply && slices.Equal(a.Headers, b.Headers)
}

// editWithoutOrigin edits the response as a says. A chain looks at Vary, and not the outer
// matcher: Envoy would run that again with the request as the router left it, which may
// have another host and path. Envoy asks if it cannot set a header itself.
func (c *compiler) editWithoutOrigin(a *policy.Answer) node {
	switch {
	case isPass(a):
		return c.pass()
	case slices.ContainsFunc(a.Headers, isTooLong):
		return c.askOpen()
	}
	return c.chains.run("not_cors", c.apply(a))
}

// pass does nothing. Without it Envoy would match the request again when the response
// has come.
func (c *compiler) pass() node {
	return c.chains.run("pass", extension("pass", &headers.HeaderMutation{}))
}
