package prove

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
)

// machine is a deterministic automaton over bytes. Its states are numbered as they are
// met; the first one is 0.
type machine interface {
	// step returns the state after c, or dead.
	step(state int32, c byte) int32
	accepts(state int32) bool
	// alike returns the bytes that the machine does not tell apart.
	alike() *classes
}

const (
	dead    = -1 // nothing is accepted any more
	unknown = -2 // the step was not asked for yet
)

// classes part the bytes of texts into those that mean the same.
type classes struct {
	of [maxByte]uint8
	n  int
}

// maxByte is beyond the bytes of all origins.
const maxByte = 0x80

func oneClass() *classes { return &classes{n: 1} }

// split parts the bytes that are in from those that are not.
func (k *classes) split(in func(c byte) bool) {
	var inside, outside, moved [maxByte]bool
	for c := range byte(maxByte) {
		if in(c) {
			inside[k.of[c]] = true
		} else {
			outside[k.of[c]] = true
		}
	}
	var to [maxByte]uint8
	for c := range byte(maxByte) {
		old := k.of[c]
		if !in(c) || !inside[old] || !outside[old] {
			continue
		}
		if !moved[old] {
			moved[old], to[old] = true, uint8(k.n)
			k.n++
		}
		k.of[c] = to[old]
	}
}

// meet parts bytes that any of ks parts; there are three at most.
func meet(ks ...*classes) *classes {
	all, known := &classes{}, map[[3]uint8]uint8{}
	for c := range maxByte {
		var key [3]uint8
		for i, k := range ks {
			key[i] = k.of[c]
		}
		if _, found := known[key]; !found {
			known[key] = uint8(all.n)
			all.n++
		}
		all.of[c] = known[key]
	}
	return all
}

// dfa is the machine of a regex, which has to match the whole text.
type dfa struct {
	prog    *syntax.Prog
	bounded bool // it has \b or \B
	kinds   *classes
	states  []dfaState
	ids     map[string]int32
	budget  *Budget

	seen  []uint32 // :: instruction -> the round in which it was reached
	round uint32
	reach []uint32 // what was reached in this round
}

// dfaState is a set of instructions that may be next, and what was before them.
type dfaState struct {
	at     []uint32
	before rune
	next   []int32     // :: class -> state
	closed [2][]uint32 // what consumes a byte, if the next one is in no word, or in one
	ends   bool
}

func newDFA(tree *syntax.Regexp, b *Budget) (*dfa, error) {
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	d := &dfa{prog: prog, kinds: oneClass(), ids: map[string]int32{}, budget: b, seen: make([]uint32, len(prog.Inst))}
	d.findKinds()
	d.enter([]uint32{uint32(prog.Start)}, -1)
	return d, nil
}

func (d *dfa) findKinds() {
	var single [maxByte]bool
	for i := range d.prog.Inst {
		switch in := &d.prog.Inst[i]; {
		case in.Op == syntax.InstRune1 && in.Rune[0] < maxByte:
			single[in.Rune[0]] = true
		case in.Op == syntax.InstRune:
			d.kinds.split(func(c byte) bool { return in.MatchRune(rune(c)) })
		case in.Op == syntax.InstRuneAnyNotNL:
			d.kinds.split(func(c byte) bool { return c == '\n' })
		case in.Op == syntax.InstEmptyWidth && syntax.EmptyOp(in.Arg)&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0:
			d.bounded = true
		}
	}
	for c := range byte(maxByte) {
		if single[c] {
			d.kinds.split(func(other byte) bool { return other == c })
		}
	}
	if d.bounded {
		d.kinds.split(func(c byte) bool { return syntax.IsWordChar(rune(c)) })
	}
}

func (d *dfa) alike() *classes { return d.kinds }

// enter returns the state for a set of instructions, behind a rune that stands for what
// was before them; it is -1 at the beginning.
func (d *dfa) enter(at []uint32, before rune) int32 {
	slices.Sort(at)
	at = slices.Compact(at)
	key := make([]byte, 0, 4*len(at)+1)
	for _, pc := range at {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	key = append(key, byte(before))
	id, known := d.ids[string(key)]
	if known {
		return id
	}
	d.budget.spend(d.kinds.n + len(at))
	d.budget.hold(len(d.states))
	id = int32(len(d.states))
	d.ids[string(key)] = id
	s := dfaState{at: slices.Clone(at), before: before, next: make([]int32, d.kinds.n)}
	for i := range s.next {
		s.next[i] = unknown
	}
	_, s.ends = d.closure(s.at, syntax.EmptyOpContext(before, -1))
	d.states = append(d.states, s)
	return id
}

// closure returns the instructions that are reached from at without a byte and that
// consume one, and whether the text may end.
func (d *dfa) closure(at []uint32, flags syntax.EmptyOp) (consume []uint32, ends bool) {
	d.round++
	d.reach = append(d.reach[:0], at...)
	for len(d.reach) > 0 {
		pc := d.reach[len(d.reach)-1]
		d.reach = d.reach[:len(d.reach)-1]
		if d.seen[pc] == d.round || !d.budget.spend(1) {
			continue
		}
		d.seen[pc] = d.round
		switch in := &d.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			d.reach = append(d.reach, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			d.reach = append(d.reach, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				d.reach = append(d.reach, in.Out)
			}
		case syntax.InstMatch:
			ends = true
		case syntax.InstFail:
		default:
			consume = append(consume, pc)
		}
	}
	return consume, ends
}

func (d *dfa) step(state int32, c byte) int32 {
	class := d.kinds.of[c]
	if next := d.states[state].next[class]; next != unknown {
		return next
	}
	next := int32(dead)
	if to := d.consume(state, c); len(to) > 0 {
		next = d.enter(to, d.stands(c))
	}
	d.states[state].next[class] = next
	return next
}

// consume returns the instructions behind those that consume c.
func (d *dfa) consume(state int32, c byte) (to []uint32) {
	s, word := &d.states[state], 0
	if d.bounded && syntax.IsWordChar(rune(c)) {
		word = 1
	}
	if s.closed[word] == nil {
		s.closed[word], _ = d.closure(s.at, syntax.EmptyOpContext(s.before, d.stands(c)))
	}
	d.budget.spend(len(s.closed[word]))
	for _, pc := range s.closed[word] {
		if in := &d.prog.Inst[pc]; in.MatchRune(rune(c)) {
			to = append(to, in.Out)
		}
	}
	return to
}

// stands returns the rune that stands for c where it is looked back at.
func (d *dfa) stands(c byte) rune {
	if d.bounded && syntax.IsWordChar(rune(c)) {
		return 'a'
	}
	return '.'
}

func (d *dfa) accepts(state int32) bool { return d.states[state].ends }
