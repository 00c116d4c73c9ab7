package policy

import (
	"cmp"
	"slices"
)

// chosen are the policies of a request by the readings of its path. nil is no
// policy.
type chosen struct {
	first  *compiled   // of the normalised path
	others []*compiled // by the other readings; nil if all choose the first
}

// unread stands for the policies of readings that nobody has looked at: it answers
// as no other does, and may block.
var unread = &compiled{denied: DeniedBlock}

// with returns c with the policies of the other readings.
func (c chosen) with(others []*compiled) chosen {
	if slices.ContainsFunc(others, func(p *compiled) bool { return p != c.first }) {
		c.others = others
	}
	return c
}

func (c chosen) isEmpty() bool { return c.first == nil && c.others == nil }

// name returns the name of the first policy; empty if there is no policy.
func (c chosen) name() string {
	for _, p := range append([]*compiled{c.first}, c.others...) {
		if p != nil {
			return p.name
		}
	}
	return ""
}

// orElse returns c with what is missing taken from other, reading by reading.
func (c chosen) orElse(other chosen) chosen {
	filled := chosen{first: cmp.Or(c.first, other.first)}
	others := make([]*compiled, max(len(c.others), len(other.others)))
	for i := range others {
		others[i] = cmp.Or(c.at(i), other.at(i))
	}
	return filled.with(others)
}

// at returns the policy of another reading.
func (c chosen) at(i int) *compiled {
	if c.others == nil {
		return c.first
	}
	return c.others[i]
}

// judge sets v to what the policies say of r, if all of them answer it alike.
func (s *Set) judge(v *Verdict, c chosen, r *Request, preflight bool) {
	*v = s.verdictOf(c.first, r, preflight)
	if c.differs(s, v, r, preflight) {
		*v = s.denyAmbiguous(c, r, preflight)
	}
}

// differs reports whether a policy of another reading does not, or may not,
// answer r as the first one does, which says v.
func (c chosen) differs(s *Set, v *Verdict, r *Request, preflight bool) bool {
	for i, p := range c.others {
		if p == unread {
			return true
		}
		if p == c.first || i > 0 && p == c.others[i-1] {
			continue
		}
		if w := s.verdictOf(p, r, preflight); !v.sendsSame(&w) {
			return true
		}
	}
	return false
}

// denyAmbiguous is for a request that the policies answer differently, so that
// the page would choose its answer by how it spells the path. It is answered as
// that of an unknown origin, and blocked if any of the policies blocks.
func (s *Set) denyAmbiguous(c chosen, r *Request, preflight bool) Verdict {
	v := Verdict{Policy: c.name(), Reason: ReasonPathAmbiguous, Answer: s.denied.request}
	switch {
	case r.Origin == "":
		v.Reason = ReasonNotCORS
	case preflight && c.any((*compiled).debugs):
		v.Answer = s.denied.debug
	case preflight:
		v.Answer = s.denied.preflight
	case isSameOrigin(r):
		v.Reason = ReasonSameOrigin
	case c.any(func(p *compiled) bool { return p.blocks(r) }):
		v.Answer = s.denied.blocked
	}
	return v
}

// any reports whether a policy that acts has the property.
func (c chosen) any(has func(*compiled) bool) bool {
	acts := func(p *compiled) bool { return p != nil && p.mode != ModeOff && has(p) }
	return acts(c.first) || slices.ContainsFunc(c.others, acts)
}
