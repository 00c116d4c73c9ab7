package prove

import "slices"

// language is a set of origins, as a graph: each path from its start to a state that
// ends is one. From every state that a step leads to, an end can be reached. It is a
// machine, too.
type language struct {
	kinds  *classes
	bytes  []byte       // one of each class that some origin has, in the order of order
	index  [maxByte]int // :: byte -> index in bytes, or dead
	next   [][]int32    // :: state, index in bytes -> state
	ends   []bool
	parts  []part // what of an origin is read at a state
	isNone bool
}

func (l *language) alike() *classes { return l.kinds }

func (l *language) step(state int32, c byte) int32 {
	if l.isNone || l.index[c] == dead {
		return dead
	}
	return l.next[state][l.index[c]]
}

func (l *language) accepts(state int32) bool { return !l.isNone && l.ends[state] }

func (l *language) part(state int32) part { return l.parts[state] }

// order has the bytes that witnesses may have; they rather have the first ones.
const order = lowers + digits + ".-:/_[]+ABCDEFGHIJKLMNOPQRSTUVWXYZ!%&=~"

// pick returns the first byte of each class, in their order.
func pick(kinds *classes) []byte {
	var bytes []byte
	var known [maxByte]bool
	for _, c := range []byte(order) {
		if class := kinds.of[c]; !known[class] {
			known[class] = true
			bytes = append(bytes, c)
		}
	}
	return bytes
}

// reader is a machine of origins only, which knows what of them it reads.
type reader interface {
	machine
	part(state int32) part
}

// builder explores the states that a reader and a machine are in at the same time.
type builder struct {
	r      reader
	m      machine
	ids    map[[2]int32]int32
	states [][2]int32
}

// build returns the origins that both r and m accept.
func build(b *Budget, r reader, m machine) *language {
	l := &language{kinds: meet(r.alike(), m.alike())}
	l.bytes = pick(l.kinds)
	for c := range l.index {
		l.index[c] = slices.IndexFunc(l.bytes, func(one byte) bool { return l.kinds.of[one] == l.kinds.of[c] })
	}
	g := builder{r: r, m: m, ids: map[[2]int32]int32{}}
	g.enter([2]int32{})
	for i := 0; i < len(g.states) && b.spend(len(l.bytes)); i++ {
		b.hold(len(g.states))
		s, next := g.states[i], make([]int32, len(l.bytes))
		for k, c := range l.bytes {
			next[k] = g.step(s, c)
		}
		l.next = append(l.next, next)
		l.ends = append(l.ends, r.accepts(s[0]) && m.accepts(s[1]))
		l.parts = append(l.parts, r.part(s[0]))
	}
	l.trim(len(g.states))
	return l
}

func (g *builder) enter(s [2]int32) int32 {
	id, known := g.ids[s]
	if !known {
		id = int32(len(g.states))
		g.ids[s], g.states = id, append(g.states, s)
	}
	return id
}

func (g *builder) step(s [2]int32, c byte) int32 {
	s[1] = g.m.step(s[1], c)
	if s[1] == dead {
		return dead
	}
	if s[0] = g.r.step(s[0], c); s[0] == dead {
		return dead
	}
	return g.enter(s)
}

// trim cuts the steps to states from which nothing ends.
func (l *language) trim(states int) {
	from := make([][]int32, states)
	for i, next := range l.next {
		for _, to := range next {
			if to != dead {
				from[to] = append(from[to], int32(i))
			}
		}
	}
	alive := make([]bool, states)
	var queue []int32
	reach := func(i int32) {
		if !alive[i] {
			alive[i] = true
			queue = append(queue, i)
		}
	}
	for i, ends := range l.ends {
		if ends {
			reach(int32(i))
		}
	}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for _, before := range from[i] {
			reach(before)
		}
	}
	for _, next := range l.next {
		for k, to := range next {
			if to != dead && !alive[to] {
				next[k] = dead
			}
		}
	}
	l.isNone = !alive[0]
}

// has reports whether m accepts a text.
func has(m machine, text string) bool {
	at := int32(0)
	for _, c := range []byte(text) {
		if at = m.step(at, c); at == dead {
			return false
		}
	}
	return m.accepts(at)
}

// The bounds of an origin's parts, which policy.ParseOrigin has too: it tells a host
// that is a domain from one that is not (RFC 1035, section 2.3.4).
const (
	maxScheme = 64
	maxHost   = 253
	maxLabel  = 63
)

// walk is a path in a language, up to the state at, and in a machine, up to away.
type walk struct {
	at, away   int32
	c          byte
	before     int32 // index of the walk without its last byte
	host, size int16 // lengths: size is that of the label, or else of the part
}

// witness returns a shortest origin that is in l and that m does not accept.
func witness(b *Budget, l *language, m machine) (origin string, found bool) {
	if l.isNone {
		return "", false
	}
	bytes := pick(meet(l.kinds, m.alike()))
	walks := []walk{{before: -1}}
	seen := map[[2]int32]int16{} // :: states -> least size
	for i := 0; i < len(walks) && b.spend(len(bytes)); i++ {
		w := walks[i]
		if l.ends[w.at] && (w.away == dead || !m.accepts(w.away)) {
			return spell(walks, i), true
		}
		for _, c := range bytes {
			next := walk{at: l.step(w.at, c), away: dead, c: c, before: int32(i), host: w.host}
			if next.at == dead || !next.measure(w, l.parts[next.at]) {
				continue
			}
			if w.away != dead {
				next.away = m.step(w.away, c)
			}
			key := [2]int32{next.at, next.away}
			if least, known := seen[key]; known && least <= next.size {
				continue
			}
			seen[key] = next.size
			walks = append(walks, next)
		}
	}
	return "", false
}

// measure sets the lengths of w, which is one byte more than the walk before it. It
// reports whether they are within bounds.
//
// A state is left again only if it is reached with a shorter size. That is enough: walks
// come in the order of their lengths, so another host is no shorter at the same state.
func (w *walk) measure(before walk, p part) bool {
	switch p {
	case inScheme:
		w.size = before.size + 1
		return w.size <= maxScheme
	case inDomain:
		w.host++
		if w.size = before.size + 1; w.c == '.' {
			w.size = 0
		}
		return w.size <= maxLabel && (w.host <= maxHost || w.host == maxHost+1 && w.c == '.')
	case inOpaque:
		w.host++
		w.size = w.host
		return w.host <= maxHost+1
	}
	return true
}

// spell returns the text of a walk.
func spell(walks []walk, i int) string {
	var text []byte
	for ; walks[i].before >= 0; i = int(walks[i].before) {
		text = append(text, walks[i].c)
	}
	slices.Reverse(text)
	return string(text)
}
