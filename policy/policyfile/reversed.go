package policyfile

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// node is a place in a regex that is read from right to left: the labels of a
// host are nested in that direction.
type node struct{ steps []step }

// step leads to the next place on the left, past one character or none.
type step struct {
	to    *node
	runes []rune // pairs of bounds; nil if nothing is read
	names int    // how many names of a host the character leaves open
}

// has reports whether c may be read.
func (s step) has(c byte) bool {
	for i := 0; i+1 < len(s.runes); i += 2 {
		if s.runes[i] <= rune(c) && rune(c) <= s.runes[i+1] {
			return true
		}
	}
	return false
}

// first returns the first character that may be read, and whether there is
// one.
func (s step) first(chars string) (c byte, found bool) {
	for i := range len(chars) {
		if s.has(chars[i]) {
			return chars[i], true
		}
	}
	return 0, false
}

// reversed is a regex that is read from its end to its start. Anchors and word
// boundaries are ignored.
type reversed struct {
	start, end *node
	room       int // for how many places more
}

// barred finds the bars between alternatives. It also finds what may contain
// another bar: a quoted text, an escape, a class.
var barred = regexp.MustCompile(`(?s)\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\|`)

// apart keeps the parser from turning alternatives that differ in one letter
// into a class: a list of names is judged differently from a class.
func apart(expr string) string {
	return barred.ReplaceAllStringFunc(expr, func(text string) string {
		if text == "|" {
			return "|()"
		}
		return text
	})
}

// reverse returns expr reversed, or nil if it has more places than allowed.
func reverse(expr string, most int) *reversed {
	if len(expr) > most {
		return nil
	}
	tree, err := syntax.Parse(apart(expr), syntax.Perl)
	if err != nil {
		return nil // only what apart added can be the reason
	}
	r := &reversed{start: &node{}, room: most}
	r.end = r.grow(tree, r.start, false)
	if r.room <= 0 {
		return nil
	}
	return r
}

// grow adds what re matches to the right of left, and returns the place right
// of it. In a repeat each character counts as open: nobody owns all names that it
// allows.
func (r *reversed) grow(re *syntax.Regexp, left *node, repeated bool) *node {
	if r.room <= 0 {
		return left
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			left = r.read(left, foldedBounds(re, c), repeated)
		}
	case syntax.OpCharClass:
		return r.read(left, re.Rune, repeated)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return r.read(left, []rune{' ', '~'}, repeated)
	case syntax.OpCapture:
		return r.grow(re.Sub[0], left, repeated)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			left = r.grow(sub, left, repeated)
		}
	case syntax.OpAlternate:
		right := r.add()
		for _, sub := range re.Sub {
			right.leadTo(r.grow(sub, left, repeated))
		}
		return right
	case syntax.OpQuest:
		return r.optional(re.Sub[0], left, repeated)
	case syntax.OpStar:
		return r.repeat(re.Sub[0], left, 0, -1)
	case syntax.OpPlus:
		return r.repeat(re.Sub[0], left, 1, -1)
	case syntax.OpRepeat:
		return r.repeat(re.Sub[0], left, re.Min, re.Max)
	}
	return left
}

// foldedBounds are the bounds of c. If case does not matter they are in lower
// case, as browsers send hosts.
func foldedBounds(re *syntax.Regexp, c rune) []rune {
	if re.Flags&syntax.FoldCase != 0 && 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return []rune{c, c}
}

func (r *reversed) add(steps ...step) *node {
	r.room--
	return &node{steps}
}

func (n *node) leadTo(left *node) { n.steps = append(n.steps, step{to: left}) }

func (r *reversed) read(left *node, runes []rune, repeated bool) *node {
	s := step{to: left, runes: runes}
	for i := range len(labelChars) {
		if s.has(labelChars[i]) {
			s.names++
		}
	}
	if repeated {
		s.names *= maxNames + 1
	}
	return r.add(s)
}

func (r *reversed) optional(sub *syntax.Regexp, left *node, repeated bool) *node {
	right := r.add()
	right.leadTo(r.grow(sub, left, repeated))
	right.leadTo(left)
	return right
}

// repeat adds sub, least to most times; -1 means without an end.
func (r *reversed) repeat(sub *syntax.Regexp, left *node, least, most int) *node {
	repeated := most < 0 || most > 1 && (least < most || sub.Op != syntax.OpLiteral)
	for range least {
		left = r.grow(sub, left, repeated)
	}
	if most < 0 {
		loop := r.add()
		loop.leadTo(left)
		loop.leadTo(r.grow(sub, loop, repeated))
		return loop
	}
	for range most - least {
		left = r.optional(sub, left, repeated)
	}
	return left
}

// originPart is the part of an origin that was read last, from the right.
type originPart int

const (
	inLabel originPart = iota
	afterDot
	afterSlash
	afterSlashes
	afterColon
	inScheme
)

// before are the characters that may be on the left of each part of an origin,
// and the part that each begins.
var before = [...][]struct {
	chars string
	part  originPart
}{
	inLabel:      {{labelChars, inLabel}, {".", afterDot}, {"/", afterSlash}},
	afterDot:     {{labelChars, inLabel}},
	afterSlash:   {{"/", afterSlashes}},
	afterSlashes: {{":", afterColon}},
	afterColon:   {{lowerCase, inScheme}},
	inScheme:     {{lowerCase, inScheme}},
}

// labelChars are the characters of a label; the first ones make the best
// examples.
const (
	lowerCase  = "abcdefghijklmnopqrstuvwxyz"
	labelChars = lowerCase + "0123456789-_"
)

// toStart returns a shortest origin that ends with right, which is a part of a
// label and what follows it. The rest is read from at on. If there is no such
// origin, it returns nothing. Each place that it looks at counts as work.
func (r *reversed) toStart(at *node, right string, work *int) string {
	type state struct {
		at   *node
		part originPart
	}
	type reached struct {
		state
		text string
	}
	first := state{at, inLabel}
	seen := map[state]bool{first: true}
	for queue := []reached{{first, right}}; len(queue) > 0 && *work > 0; queue = queue[1:] {
		*work--
		was := queue[0]
		if was.at == r.start && was.part == inScheme {
			return was.text
		}
		visit := func(at *node, part originPart, text string) {
			next := state{at, part}
			if !seen[next] {
				seen[next] = true
				queue = append(queue, reached{next, text})
			}
		}
		for _, s := range was.at.steps {
			if s.runes == nil {
				visit(s.to, was.part, was.text)
				continue
			}
			for _, b := range before[was.part] {
				if c, found := s.first(b.chars); found {
					visit(s.to, b.part, string(c)+was.text)
				}
			}
		}
	}
	return ""
}

// oneOf returns the characters of chars that may be read.
func (s step) oneOf(chars string) []byte {
	return slices.DeleteFunc([]byte(chars), func(c byte) bool { return !s.has(c) })
}

// hostOf returns the labels at the right end of a host, without the dots
// around them.
func hostOf(right string) string { return strings.Trim(right, ".") }
