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

// facts are what follows from a policy alone, and is read from all of its origins.
type facts struct {
	spec *policy.Spec
	// digest identifies the spec.
	digest digest
	// origins counts the patterns of allowOrigins, and stars those of them that are not one
	// exact origin.
	origins, stars int
	// hasStars tells that a pattern is more than one origin, and listsMany that the exact
	// origins stand in a map.
	hasStars, listsMany bool
	// oddOrigins are the first of those that are not plain and can be known, sorted.
	oddOrigins []string
	// whole are why the policy is asked about whole.
	whole []Cause
}

// digest is a SHA-256.
type digest [sha256.Size]byte

// of returns the facts if they are those of the spec, else nil. f may be nil.
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

// digestOf hashes a spec. Its origins stand apart, since there may be a million: JSON
// would be made whole, in memory that stays.
func digestOf(s *policy.Spec) digest {
	w := newDigester()
	rest := *s
	rest.CORS.AllowOrigins = nil
	// A Spec has only strings, numbers, booleans and lists of them, so that encoding it
	// to a hash cannot fail.
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

// patterns returns those of allowOrigins. They are parsed once for a set, and not kept:
// they take more memory than all else.
func (p *compiled) patterns() []policy.Pattern {
	if p.parsed == nil {
		p.parsed = patternsOf(p.spec)
	}
	return p.parsed
}

// commonInputs is what every resource is made of.
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

// inputs is what the resource of the hosts is made of. With the same one, and the same
// options, compile returns the same filter.
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

// site adds all that is compiled of a site.
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
