package policydiff

import (
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// Comparison compares two sets. It is not safe for concurrent use.
type Comparison struct {
	old, new side
	found    groups
	probes   int
	bounded  bool
}

// side is one of the two sets.
type side struct {
	set    *policy.Set
	byName map[string]*policy.Spec
}

// New returns the comparison of two sets.
func New(old, now *policy.Set) *Comparison {
	return &Comparison{old: newSide(old), new: newSide(now), found: groups{byKey: map[string]*Change{}}}
}

func newSide(set *policy.Set) side {
	specs := set.Specs()
	s := side{set: set, byName: make(map[string]*policy.Spec, len(specs))}
	for i := range specs {
		s.byName[specs[i].Name] = &specs[i]
	}
	return s
}

// Report returns what was found so far.
func (c *Comparison) Report() Report {
	return Report{Changes: c.found.sorted(), Probes: c.probes, Bounded: c.bounded}
}

// Probe asks both sets about all that can be derived from the policies.
func (c *Comparison) Probe() {
	for _, p := range c.pairs() {
		c.compare(p)
	}
}

// Replay asks both sets about a recorded request.
func (c *Comparison) Replay(r policy.Request) {
	if old, now, differs := c.ask(&r); differs {
		c.found.record(Recorded, r.Origin, &r, old, now)
	}
}

// ask asks both sets about r.
func (c *Comparison) ask(r *policy.Request) (old, now *policy.Decision, differs bool) {
	c.probes++
	a, b := c.old.set.Decide(r), c.new.set.Decide(r)
	return &a, &b, a.Differs(&b.Verdict)
}

// compare compares the two policies of a pair.
func (c *Comparison) compare(p pair) {
	if sameRules(p.old, p.new) {
		return
	}
	for _, like := range c.compareOrigins(p) {
		said := false
		if like.was == granted && like.is == granted {
			said = c.compareNames(p, like.origin)
		}
		c.compareAnswers(p, like, said)
	}
}

// alike stands for origins that each of two policies treats alike.
type alike struct {
	origin  string // one of them
	was, is class
	widens  bool // what its GET gets
}

// aspect returns the aspect of a different answer to such an origin.
func (a alike) aspect() Aspect {
	switch {
	case a.was != a.is:
		return Origins
	case a.is == denied:
		return Denials
	}
	return Answers
}

// compareOrigins finds the origins that only one of the policies allows, and returns the
// kinds of origins.
func (c *Comparison) compareOrigins(p pair) []alike {
	origins, bounded := probeOrigins(p.old, p.new)
	c.bounded = c.bounded || bounded
	var kinds []alike
	for _, origin := range origins {
		r := p.request("GET", origin)
		old, now, _ := c.ask(&r)
		gained, _ := difference(Grants(old), Grants(now))
		a := alike{origin, classOf(old), classOf(now), len(gained) > 0}
		if a.was != a.is {
			c.found.record(Origins, origin, &r, old, now)
		}
		if !slices.ContainsFunc(kinds, func(b alike) bool { return b.was == a.was && b.is == a.is }) {
			kinds = append(kinds, a)
		}
	}
	return kinds
}

// unlisted are names that a policy covers only by a star.
var (
	unlistedMethods = []string{"DELETE", "OPTIONS", "PATCH", "PUT", "CORSGATE-PROBE"}
	unlistedHeaders = []string{"authorization", "content-type", "x-corsgate-probe"}
)

// compareNames finds the methods and headers that only one of the policies grants to
// origin, and reports whether there are any.
func (c *Comparison) compareNames(p pair, origin string) (found bool) {
	for _, method := range union(unlistedMethods, p.old.CORS.AllowMethods, p.new.CORS.AllowMethods) {
		r := p.preflight(origin, method, "")
		found = c.compareName(Methods, method, &r) || found
	}
	for _, header := range union(unlistedHeaders, p.old.CORS.AllowHeaders, p.new.CORS.AllowHeaders) {
		r := p.preflight(origin, "GET", header)
		found = c.compareName(Headers, header, &r) || found
	}
	return found
}

func (c *Comparison) compareName(aspect Aspect, name string, r *policy.Request) bool {
	old, now, differs := c.ask(r)
	if !differs || classOf(old) == classOf(now) {
		return false
	}
	c.found.record(aspect, name, r, old, now)
	return true
}

// union returns all entries of the lists except "*", each once.
func union(lists ...[]string) []string {
	var all []string
	seen := map[string]bool{"*": true}
	for _, name := range slices.Concat(lists...) {
		if !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// compareAnswers compares the rest of the answers to the origins that like stands for. If
// said is set, it leaves out answers that differ only in their lists, since compareNames has
// reported that.
func (c *Comparison) compareAnswers(p pair, like alike, said bool) {
	preflight := p.preflight(like.origin, "GET", "")
	preflight.RequestPrivateNetwork = "true"
	for _, r := range []policy.Request{p.request("GET", like.origin), p.request("POST", like.origin), preflight} {
		old, now, differs := c.ask(&r)
		follows := like.implies(old, now) || said && slices.Equal(Grants(old), Grants(now))
		if differs && !follows {
			c.found.record(like.aspect(), like.origin, &r, old, now)
		}
	}
}

// implies reports whether a change follows from what was recorded about the origins
// themselves. Only a change that widens access is reported once more.
func (a alike) implies(old, now *policy.Decision) bool {
	if a.was == a.is {
		return false
	}
	gained, _ := difference(Grants(old), Grants(now))
	return a.widens || len(gained) == 0
}
