package notrip

import (
	"slices"

	mutation "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/corsgate/corsgate/policy"
)

// withoutOrigin decides requests that have no Origin. They get the policy's own answer
// by host. Nothing is noted of them: that costs more than the answer.
func (c *compiler) withoutOrigin(h *hosts) node {
	return c.byHost(h, c.withoutOriginOf, c.oddAuthority(h, c.askOpen())...)
}

// withoutOriginOf answers the requests of a site. If the policies of its paths answer
// otherwise, paths with several readings are asked about.
func (c *compiler) withoutOriginOf(s *site) node {
	edit := func(p *compiled) node { return c.editWithoutOrigin(p.withoutOrigin()) }
	switch {
	case len(s.rules) == 0:
		return nil
	case c.sameWithoutOrigin(s):
		return edit(s.rules[0].policy)
	case s.unread:
		return c.askOpen()
	}
	return first(byRule(s.rules, c.pass(), edit), when{not(matches(path, s.plainPath())), c.askOpen()})
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

// editWithoutOrigin edits the response as a says. Vary is looked at by the outer
// matcher, since a second composite costs more; but then the response has it walked
// again from its root, and that must be cheap.
func (c *compiler) editWithoutOrigin(a *policy.Answer) node {
	run := func(edits []*mutation.HeaderMutation) node { return c.chains.run("not_cors", mutate(edits)) }
	switch {
	case isPass(a):
		return c.pass()
	case a.Apply == policy.ApplyPublic || c.NamedPolicies || c.Shards > 1:
		return c.chains.run("not_cors", c.apply(a))
	}
	return unlessDeferred(a, first(run(edits(a, true)), when{varyHasOrigin, run(edits(a, false))}), c.pass())
}

// pass does nothing; nothing that follows is looked at.
func (c *compiler) pass() node {
	return c.chains.run("pass", extension("pass", &headers.HeaderMutation{}))
}
