package policy

// chosen are the policies of a request by each reading of its path. nil is no
// policy.
type chosen struct {
	first  *compiled    // by ReadNormalised
	others *otherChosen // nil if they are the same
}

// otherChosen are the policies by ReadDecoded and ReadCut.
type otherChosen [NumReadings - 1]*compiled

// with returns c with the policies of the other readings.
func (c chosen) with(decoded, cut *compiled) chosen {
	if decoded != c.first || cut != c.first {
		c.others = &otherChosen{decoded, cut}
	}
	return c
}

// all returns the policies by reading.
func (c chosen) all() [NumReadings]*compiled {
	if c.others == nil {
		return [NumReadings]*compiled{c.first, c.first, c.first}
	}
	return [NumReadings]*compiled{c.first, c.others[0], c.others[1]}
}

// name returns the name of the first policy; empty if there is no policy.
func (c chosen) name() string {
	for _, p := range c.all() {
		if p != nil {
			return p.name
		}
	}
	return ""
}

// orElse returns c with what is missing taken from other: where no shadow policy
// covers a request, the enforced one would still act.
func (c chosen) orElse(other chosen) chosen {
	ps := c.all()
	for i, p := range other.all() {
		if ps[i] == nil {
			ps[i] = p
		}
	}
	return chosen{first: ps[0]}.with(ps[1], ps[2])
}

// differs reports whether a policy of another reading does not answer r as the
// first one does, which says v.
func (c chosen) differs(s *Set, v *Verdict, r *Request, preflight bool) bool {
	if c.others == nil {
		return false
	}
	for _, p := range c.others {
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
	for _, p := range c.all() {
		if p != nil && p.mode != ModeOff && has(p) {
			return true
		}
	}
	return false
}
