package policy

import "crypto/sha256"

// Memo is a spec with what is known of it alone, for callers that examine it again
// beside others: ExamineMemos finds that out once. It is not safe for concurrent use,
// but what was made of it does not change.
type Memo struct {
	spec Spec // as it was given; without its origins once they are not needed
	more Rules
	// own are the problems by the rules of this package, and others those by more.
	own, others kept
	// normal is the spec in its normal form, and hash its hash; made with the first
	// Valid.
	normal Spec
	hash   specHash
	made   bool
}

// Rules report the problems that they find in a spec alone, which they must not change.
type Rules func(s *Spec, report func(Problem))

// NewMemo returns a Memo of s, of which the caller must not change anything
// afterwards. more are rules of the caller's own; nil means none.
func NewMemo(s Spec, more Rules) *Memo {
	if more == nil {
		more = func(*Spec, func(Problem)) {}
	}
	return &Memo{spec: s, more: more}
}

// finish makes the normal form of the spec. The origins that were given are needed
// no longer, unless its problems are to be found again.
func (m *Memo) finish() {
	if !m.made {
		m.normal, m.made = normalise(m.spec), true
		m.hash = hashOf(&m.normal)
	}
	if m.own.known && m.others.known {
		m.spec.CORS.AllowOrigins = nil
	}
}

// specHash is a SHA-256 of a spec.
type specHash [sha256.Size]byte

// kept are the problems of a spec, unless there are too many or they depend on other
// specs: then they are not known, and found again.
type kept struct {
	problems []Problem
	known    bool
}

// maxKept is how many problems are kept of a spec: it may have millions.
const maxKept = 16

// tell reports the problems, which find finds. It tells whether they are those of the
// spec alone.
func (k *kept) tell(find func(report func(Problem)) (alone bool), report func(Problem)) {
	if k.known {
		for _, p := range k.problems {
			report(p)
		}
		return
	}
	var problems []Problem
	few := true
	alone := find(func(p Problem) {
		if few = few && len(problems) < maxKept; few {
			problems = append(problems, p)
		}
		report(p)
	})
	if alone && few {
		k.problems, k.known = problems, true
	}
}

// ExamineMemos is Examine for specs that may have been examined before. First it tells
// more what the callers' own rules find: of the specs with credentials before the others,
// since some warnings are errors there.
func ExamineMemos(memos []*Memo, more, report func(Problem)) *Valid {
	v := validator{memos: memos}
	v.checkMore(v.telling(more))
	tell := v.telling(report)
	for i, m := range memos {
		v.spec = i
		m.own.tell(func(report func(Problem)) (alone bool) { return v.checkSpec(&m.spec, report) }, tell)
	}
	v.report = tell
	v.checkNames()
	v.checkOverlaps()
	if v.refused {
		return nil
	}
	return newValid(memos)
}

// telling returns report for problems of the current spec.
func (v *validator) telling(report func(Problem)) func(Problem) {
	return func(p Problem) {
		v.refused = v.refused || p.Level == Error
		p.Spec = v.spec
		report(p)
	}
}

// checkMore reports what the callers' own rules find.
func (v *validator) checkMore(tell func(Problem)) {
	for _, credentials := range []bool{true, false} {
		for i, m := range v.memos {
			if m.spec.CORS.AllowCredentials != credentials {
				continue
			}
			v.spec = i
			m.others.tell(func(report func(Problem)) (alone bool) {
				m.more(&m.spec, report)
				return true
			}, tell)
		}
	}
}

// scopes returns what all specs name.
func (v *validator) scopes() *scopes {
	v.byItself = false
	if v.named == nil {
		v.named = newScopes(v.memos)
	}
	return v.named
}
