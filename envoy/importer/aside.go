package importer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// A lane with conditions besides host and path may or may not answer a request: no policy
// can ask for them.

// claimAside gives a lane with conditions the scopes where it grants no more than the lanes
// that would answer without it: what both grant is what it grants.
func (c *chart) claimAside(l *lane) {
	for _, h := range l.hosts {
		for _, p := range l.paths {
			s := scope{h, normalPath(p.Text.Text)}
			if _, known := c.owners[s]; known || !l.acts() || !c.mayAnswer(l, h, anyBelow(s.path)) {
				continue
			}
			around := c.around(s)
			narrower := !slices.ContainsFunc(around, func(other *lane) bool { return !other.acts() || l.beyond(other) != nil })
			if narrower && slices.ContainsFunc(around, func(other *lane) bool { return !same(l, other) }) {
				c.own(s, l)
			}
		}
	}
}

// anyBelow returns a path that stands for all that is below another one.
func anyBelow(path string) string { return strings.TrimRight(path, "/") + "/\x00" }

// mayAnswer reports whether the system may choose a lane with conditions for a host and a path.
func (c *chart) mayAnswer(l *lane, host, path string) bool {
	for _, h := range fields.Covering(host) {
		if m, ok := l.match(path); ok && slices.Contains(l.hosts, h) {
			return c.goesBefore(m, h, path)
		}
		if c.winner(h, path) != nil {
			return false
		}
	}
	return false
}

// match returns the first of l's longest paths that match.
func (l *lane) match(text string) (m match, ok bool) {
	for _, p := range l.paths {
		if p.matches(text) && (!ok || p.Length() > m.path.Length()) {
			m, ok = match{l, p}, true
		}
	}
	return m, ok
}

// goesBefore reports whether a lane that matches goes before those of its configuration that
// have no conditions.
func (c *chart) goesBefore(m match, host, path string) bool {
	all := slices.DeleteFunc(c.byHost[host].matching(path), func(other match) bool { return other.lane.config != m.lane.config })
	at := slices.IndexFunc(all, func(other match) bool { return other.lane.rank > m.lane.rank })
	if at < 0 {
		at = len(all)
	}
	return c.choose(slices.Insert(all, at, m)).lane == m.lane
}

const conditionHint = "preflights have neither the headers nor the method of the request that they ask for, so that the condition hardly does what it looks like"

// compareAside tells of a lane with conditions what decides about its requests, if it is not
// what the lane says.
func (c *chart) compareAside(l *lane) {
	l.reached = len(l.scopes) > 0
	if l.reached {
		l.tell(source.Decide, l.route.Conditions[0], "",
			"a policy is chosen by host and path alone: it decides about requests that do not meet the condition, too, since it allows less than what is around it", conditionHint)
	}
	others := c.instead(l)
	if len(others) == 0 {
		c.tellUnreached(l)
	}
	if !c.tellWider(l, others) {
		c.tellOther(l, others)
	}
}

// tellWider tells of the first of others that allows what l does not.
func (c *chart) tellWider(l *lane, others []*lane) (told bool) {
	for _, other := range others {
		if more := other.beyond(l); more != nil {
			l.tell(source.Widened, l.route.Conditions[0], "", besideCondition+likeOther(other)+", which allows "+more.String(), conditionHint)
			l.findings[len(l.findings)-1].Origin = more.origin
			return true
		}
	}
	return false
}

// tellOther tells of the first of others that answers otherwise than l.
func (c *chart) tellOther(l *lane, others []*lane) {
	for _, other := range others {
		if other != l && (!same(l, other) || l.grants() && !l.acts()) {
			l.tell(source.Decide, l.route.Conditions[0], "", besideCondition+likeOther(other), conditionHint)
			return
		}
	}
}

const besideCondition = "a policy is chosen by host and path alone: requests that meet the condition are decided "

// instead returns the lanes whose policies decide about requests that a lane with conditions
// may answer.
func (c *chart) instead(l *lane) (others []*lane) {
	add := func(host, path string) {
		if !c.mayAnswer(l, host, path) {
			return
		}
		if other := c.found(scope{host, path}); !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	for _, h := range l.hosts {
		for _, p := range l.paths {
			own := append(p.witnesses(), anyBelow(p.Text.Text))
			for _, path := range own {
				add(h, path)
			}
			for _, s := range c.near(h, p) {
				for _, path := range append(own, s.path, anyBelow(s.path)) {
					add(s.host, path)
					add(h, path)
				}
			}
		}
	}
	return others
}

// near returns the scopes of policies that cover requests of a host and path, or some of them.
func (c *chart) near(host string, p path) (all []scope) {
	for _, h := range append(fields.Covering(host), c.below(host)...) {
		for _, text := range c.paths[h] {
			s := scope{h, text}
			if _, ok := c.owners[s]; ok && (p.matches(text) || p.matches(anyBelow(text)) || covers(text, p.start())) {
				all = append(all, s)
			}
		}
	}
	return all
}

// below returns the hosts of policies that a host of more hosts covers.
func (c *chart) below(host string) []string {
	if c.narrower == nil {
		c.narrower = map[string][]string{}
		known := map[string]bool{}
		for _, s := range c.order {
			if known[s.host] {
				continue
			}
			known[s.host] = true
			for _, wide := range fields.Covering(s.host)[1:] {
				c.narrower[wide] = append(c.narrower[wide], s.host)
			}
		}
	}
	return c.narrower[host]
}

func likeOther(l *lane) string {
	if !l.acts() {
		return "by no policy"
	}
	return "like " + l.name()
}

// excess is an example of what one answer allows and another does not.
type excess struct{ origin, what string }

// to adds what it is allowed to do.
func (e *excess) to(do string) *excess {
	return &excess{e.origin, strings.TrimSpace(e.what + " " + do)}
}

func (e *excess) String() string { return strings.TrimSpace(e.origin + " " + e.what) }

// beyond returns an example of what the policy of l allows and that of other does not. If it
// is proved that there is nothing, it returns nil.
func (l *lane) beyond(other *lane) *excess {
	if !l.acts() {
		return nil
	}
	a := &l.answer.spec
	e := exampleOf(a)
	if !other.acts() {
		return e
	}
	b := &other.answer.spec
	if more := originBeyond(a.CORS, b.CORS); more != nil {
		return more
	}
	for _, list := range []struct {
		what string
		a, b []string
	}{
		{"to send the method ", a.CORS.AllowMethods, b.CORS.AllowMethods},
		{"to send the header ", a.CORS.AllowHeaders, b.CORS.AllowHeaders},
		{"to read the header ", a.CORS.ExposeHeaders, b.CORS.ExposeHeaders},
	} {
		if i := slices.IndexFunc(list.a, func(name string) bool { return !hasName(list.b, name, b.CORS.AllowCredentials) }); i >= 0 {
			return e.to(list.what + list.a[i])
		}
	}
	switch {
	case a.CORS.AllowCredentials && !b.CORS.AllowCredentials:
		return e.to("to send credentials")
	case a.AllowPrivateNetwork && !b.AllowPrivateNetwork:
		return e.to("to reach a private network")
	}
	return nil
}

// hasName reports whether a list has a name, or a star that stands for it.
func hasName(list []string, name string, credentials bool) bool {
	return slices.ContainsFunc(list, func(have string) bool {
		return strings.EqualFold(have, name) || have == "*" && policy.StarCoversHeader(strings.ToLower(name), credentials)
	})
}

// exampleOf returns an origin that a policy allows, or what its origins match.
func exampleOf(s *policy.Spec) *excess {
	switch {
	case len(s.CORS.AllowOrigins) > 0:
		return &excess{origin: sampleOf(s.CORS.AllowOrigins[0])}
	case len(s.CORS.AllowOriginRegexes) > 0:
		return &excess{what: matching(s.CORS.AllowOriginRegexes[0])}
	}
	return &excess{}
}

func matching(expr string) string { return "what matches " + strconv.Quote(expr) }

// originBeyond returns an origin that a allows and b does not.
func originBeyond(a, b policy.CORS) *excess {
	for _, text := range a.AllowOrigins {
		if coversPattern(b, text) {
			continue
		}
		for _, origin := range []string{sampleOf(text), "https://unlisted.example"} {
			if coversPattern(policy.CORS{AllowOrigins: []string{text}}, origin) && !coversPattern(b, origin) {
				return &excess{origin: origin}
			}
		}
		return &excess{what: strconv.Quote(text)}
	}
	for _, expr := range a.AllowOriginRegexes {
		if !slices.Contains(b.AllowOriginRegexes, expr) && !slices.Contains(b.AllowOrigins, "*") {
			return &excess{what: matching(expr)}
		}
	}
	return nil
}

// coversPattern reports whether one of the patterns of c covers another one.
func coversPattern(c policy.CORS, text string) bool {
	q, err := policy.ParsePattern(text)
	return err == nil && slices.ContainsFunc(c.AllowOrigins, func(have string) bool {
		p, err := policy.ParsePattern(have)
		return err == nil && p.Covers(q)
	})
}
