package notrip

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"reflect"

	"github.com/corsgate/corsgate/policy"
)

// facts are what a policy alone decides, and what all its origins must be read for.
type facts struct {
	spec *policy.Spec
	// digest identifies the spec.
	digest digest
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

// of returns the facts if they are those of the spec, otherwise nil. f may be nil.
func (f *facts) of(s *policy.Spec) *facts {
	if f == nil || !reflect.DeepEqual(f.spec, s) {
		return nil
	}
	same := *f
	same.spec = s // so that the set before can be forgotten
	return &same
}

func newFacts(is policy.Policy, s *policy.Spec) *facts {
	f := &facts{spec: s, digest: digestOf(s)}
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
	f.whole = f.wholeCauses(is)
	return f
}

// digestOf hashes a spec. It hashes the origins separately, since there may be a million:
// their JSON would be made as a whole, in memory that is kept.
func digestOf(s *policy.Spec) digest {
	w := newDigester()
	rest := *s
	rest.CORS.AllowOrigins = nil
	// A Spec has only strings, numbers, booleans and lists of them, so to encode it into a
	// hash cannot fail.
	_ = json.NewEncoder(w).Encode(rest)
	w.add(s.CORS.AllowOrigins...)
	return w.digest()
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
	w.say(h.blocking, len(h.stars), len(h.spellings))
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
		w.say(r.policy.digest, r.policy.asked)
	}
}

func (w digester) digest() (d digest) {
	w.Sum(d[:0])
	return d
}
