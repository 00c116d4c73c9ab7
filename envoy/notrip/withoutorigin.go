package notrip

import (
	"slices"

	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/corsgate/corsgate/policy"
)

// withoutOrigin decides requests that have no Origin. They get the policy's own
// answer by host. Nothing is noted of them: that costs more than the answer. Vary is
// looked at first, since a second composite costs more; so the response has come when
// the host is looked up, and what is to ask must be told before.
func (c *compiler) withoutOrigin(h *hosts) node {
	branches := c.oddAuthority(h, c.askOpen())
	if ask := c.byHost(h, c.askForPath); ask != nil {
		branches = append(branches, when{not(has(origin)), ask})
	}
	branches = append(branches, when{varyHasOrigin, c.byHost(h, func(s *site) node { return c.withoutOriginOf(s, true) })})
	return first(c.byHost(h, func(s *site) node { return c.withoutOriginOf(s, false) }), branches...)
}

// askForPath asks about requests without an Origin whose path has several readings,
// if the policies of the paths answer them otherwise.
func (c *compiler) askForPath(s *site) node {
	switch {
	case c.sameWithoutOrigin(s):
		return nil
	case s.unread:
		return c.askOpen()
	}
	return first(nil, when{not(matches(path, s.plainPath())), c.askOpen()})
}

// sameWithoutOrigin reports whether every path of the site gets the same answer to a
// request without an Origin.
func (c *compiler) sameWithoutOrigin(s *site) bool {
	covered := len(s.rules) == 0 || s.rules[len(s.rules)-1].path == ""
	return !slices.ContainsFunc(s.rules, func(r rule) bool {
		return !answersAlike(r.policy.withoutOrigin(), s.rules[0].policy.withoutOrigin()) || !covered && !isPass(r.policy.withoutOrigin())
	})
}

// withoutOrigin returns what p answers to a request without an Origin. It is the same
// whether the requests with one are asked about or not.
func (p *compiled) withoutOrigin() *policy.Answer {
	if p.spec.Mode == policy.ModeOff {
		return &policy.Answer{Action: policy.Pass, Apply: policy.ApplyNone}
	}
	return p.Answers.NotCORS
}

func isPass(a *policy.Answer) bool { return a.Action == policy.Pass }

func answersAlike(a, b *policy.Answer) bool {
	return a.Action == b.Action && a.Apply == b.Apply && slices.Equal(a.Headers, b.Headers)
}

// withoutOriginOf edits the responses to requests without an Origin of a site. hasVary
// tells that their Vary needs nothing.
func (c *compiler) withoutOriginOf(s *site, hasVary bool) node {
	if len(s.rules) == 0 {
		return nil
	}
	if c.sameWithoutOrigin(s) {
		return c.editWithoutOrigin(s.rules[0].policy.withoutOrigin(), hasVary)
	}
	return byRule(s.rules, c.pass(), func(p *compiled) node { return c.editWithoutOrigin(p.withoutOrigin(), hasVary) })
}

func (c *compiler) editWithoutOrigin(a *policy.Answer, hasVary bool) node {
	if isPass(a) {
		return c.pass()
	}
	addVary := !hasVary && a.Apply != policy.ApplyPublic
	return unlessDeferred(a, c.chains.run("not_cors", mutate(edits(a, addVary))), c.pass())
}

// pass does nothing; nothing that follows is looked at.
func (c *compiler) pass() node {
	return c.chains.run("pass", extension("pass", &headers.HeaderMutation{}))
}
