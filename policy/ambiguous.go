package policy

// chosen are the policies of a request by each reading of its path. nil is no
// policy.
type chosen [NumReadings]*compiled

// all returns that p is chosen by all readings.
func all(p *compiled) chosen { return chosen{p, p, p} }

func (c *chosen) isEmpty() bool { return *c == chosen{} }

// name returns the name of the first policy; empty if there is no policy.
func (c *chosen) name() string {
	for _, p := range c {
		if p != nil {
			return p.name
		}
	}
	return ""
}

// fillFrom takes what is missing from other: where no shadow policy covers a
// request, the enforced one would still act.
func (c *chosen) fillFrom(other *chosen) {
	for i, p := range c {
		if p == nil {
			c[i] = other[i]
		}
	}
}

// verdict is what the policies say of r, if all of them answer it alike.
func (s *Set) verdict(c *chosen, r *Request, preflight bool) Verdict {
	v := s.verdictOf(c[0], r, preflight)
	for _, p := range c[1:] {
		if p == c[0] {
			continue
		}
		if w := s.verdictOf(p, r, preflight); !v.sendsSame(&w) {
			return s.denyAmbiguous(c, r, preflight)
		}
	}
	return v
}

// denyAmbiguous is for a request that the policies answer differently, so that
// the page would choose its answer by how it spells the path. It is answered as
// that of an unknown origin, and blocked if any of the policies blocks.
func (s *Set) denyAmbiguous(c *chosen, r *Request, preflight bool) Verdict {
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
func (c *chosen) any(has func(*compiled) bool) bool {
	for _, p := range c {
		if p != nil && p.mode != ModeOff && has(p) {
			return true
		}
	}
	return false
}
