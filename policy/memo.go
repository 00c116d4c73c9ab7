package policy

import "crypto/sha256"

// Memo is a spec with what is known of it alone, for callers that examine it again
// beside others: ExamineMemos finds that out once. What was made of a Memo shares
// memory with what is made of it later. It is not safe for concurrent use.
type Memo struct {
	spec Spec // as it was given; without its origins once they are not needed
	// found are the problems of the spec. They are not kept, and found anew each time,
	// if they depend on other specs or are too many.
	found []Problem
	kept  bool
	// normal is the spec in its normal form, and hash its hash; made with the first
	// Valid.
	normal Spec
	hash   specHash
	made   bool
}

// maxKept is how many problems of a spec a Memo keeps: there may be millions.
const maxKept = 16

// NewMemo returns a Memo of s, of which the caller must not change anything
// afterwards.
func NewMemo(s Spec) *Memo { return &Memo{spec: s} }

// ExamineMemos is Examine for specs that may have been examined before.
func ExamineMemos(memos []*Memo, report func(Problem)) *Valid {
	v := validator{report: report, memos: memos}
	for i, m := range memos {
		v.examine(i, m)
	}
	v.checkNames()
	v.checkOverlaps()
	if v.refused {
		return nil
	}
	return newValid(memos)
}

// examine reports the problems of the spec of m alone, and keeps them for the next
// time.
func (v *validator) examine(i int, m *Memo) {
	v.spec, v.s, v.lifted, v.found, v.again = i, &m.spec, map[OptIn]bool{}, nil, false
	if !m.kept {
		v.checkSpec()
		m.found, m.kept = v.found, !v.again
		return
	}
	for _, p := range m.found {
		v.tell(p)
	}
}

// tell reports a problem of the current spec.
func (v *validator) tell(p Problem) {
	v.refused = v.refused || p.Level == Error
	p.Spec = v.spec
	v.report(p)
}

// keep keeps a problem of the current spec for the next time.
func (v *validator) keep(p Problem) {
	if len(v.found) == maxKept {
		v.found, v.again = nil, true
	}
	if !v.again {
		v.found = append(v.found, p)
	}
}

// scopes returns what all specs name. What follows from it is not kept.
func (v *validator) scopes() *scopes {
	v.found, v.again = nil, true
	if v.named == nil {
		v.named = newScopes(v.memos)
	}
	return v.named
}

// finish makes the normal form of the spec, after which the origins that were given are
// needed only to find its problems again.
func (m *Memo) finish() {
	if !m.made {
		m.normal, m.made = normalise(m.spec), true
		m.hash = hashOf(&m.normal)
	}
	if m.kept {
		m.spec.CORS.AllowOrigins = nil
	}
}

// specHash is a SHA-256 of a spec.
type specHash [sha256.Size]byte
