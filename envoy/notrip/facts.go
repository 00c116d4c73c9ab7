package notrip

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/corsgate/corsgate/policy"
)

// facts are what a policy alone decides, and what all its origins must be read for.
type facts struct {
	// hash identifies the spec.
	hash digest
	// origins counts the patterns of allowOrigins. stars counts those that are not one exact
	// origin.
	origins, stars int
	// hasStars says that a pattern is more than one origin. listsMany says that the exact
	// origins are in a map.
	hasStars, listsMany bool
	// oddOrigins are the first of the origins that are not plain and can be known, sorted.
	oddOrigins []string
	// whole say why Envoy asks about all requests of the policy.
	whole []Cause
}

// digest is a SHA-256.
type digest [sha256.Size]byte

func newFacts(is policy.Policy, s *policy.Spec) *facts {
	f := &facts{hash: is.Hash}
	patterns := patternsOf(s)
	exact := 0
	for _, pattern := range patterns {
		if isExact(pattern) {
			exact++
		}
		f.hasStars = f.hasStars || !isExact(pattern) && pattern.Form != policy.FormNull
	}
	f.origins, f.stars, f.listsMany = len(patterns), len(patterns)-exact, exact > maxListed
	f.oddOrigins = listOddOrigins(patterns)
	f.whole = f.wholeCauses(is, s)
	return f
}

func patternsOf(s *policy.Spec) (patterns []policy.Pattern) {
	for _, text := range s.CORS.AllowOrigins {
		if pattern, err := policy.ParsePattern(text); err == nil {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// patterns returns the patterns of allowOrigins. They are parsed once for a set, and not
// kept for the next: they need more memory than everything else.
func (p *compiled) patterns() []policy.Pattern {
	if p.parsed == nil {
		p.parsed = patternsOf(p.spec)
	}
	return p.parsed
}

// commonInputs hashes the inputs that all resources have in common.
func (c *compiler) commonInputs() digest {
	w, h := newDigester(), &c.hosts
	if c.Feed && c.StampSet {
		w.add(c.set.Hash())
	}
	w.add(c.oddOrigins...)
	w.say(c.cut, h.blocking, len(h.stars), len(h.spellings))
	for i := range h.stars {
		w.site(&h.stars[i])
	}
	w.site(&h.every)
	for _, s := range h.spellings {
		w.say(s.blocking, len(s.names))
		w.add(s.names...)
	}
	return w.digest()
}

// inputs hashes the inputs of the resource of the hosts. With the same inputs and options,
// compile returns the same filter.
func (c *compiler) inputs(h *hosts, common digest) digest {
	w := newDigester()
	w.say(common)
	for i := range h.exact {
		w.site(&h.exact[i])
	}
	return w.digest()
}

// digester hashes what is added to it, each with its length.
type digester struct{ hash.Hash }

func newDigester() digester { return digester{sha256.New()} }

func (w digester) add(texts ...string) {
	for _, text := range texts {
		w.say(len(text))
		_, _ = io.WriteString(w, text) // a hash takes everything
	}
}

func (w digester) say(values ...any) { fmt.Fprintln(w, values...) }

// site adds all parts of a site that are compiled.
func (w digester) site(s *site) {
	w.add(s.authority, s.parent)
	w.say(s.asker != nil, s.unread, len(s.rules))
	for _, r := range s.rules {
		w.add(r.path)
		w.say(r.policy.Hash, r.policy.asked)
	}
}

func (w digester) digest() (d digest) {
	w.Sum(d[:0])
	return d
}
