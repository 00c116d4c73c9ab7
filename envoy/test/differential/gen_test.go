package differential

import (
	"math/rand/v2"
	"slices"
)

// gen makes things up, the same for the same seed.
type gen struct{ *rand.Rand }

func newGen(seed, stream uint64) gen { return gen{rand.New(rand.NewPCG(seed, stream))} }

// oneIn is true once in n times.
func (g gen) oneIn(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g gen, list ...T) T { return list[g.IntN(len(list))] }

// some returns at most that many of the list, in any order.
func (g gen) some(most int, list ...string) []string {
	list = slices.Clone(list)
	g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:g.IntN(min(most, len(list))+1)]
}

// mutated returns text with one of its bytes changed into what others may take for it,
// or with one byte more or less.
func (g gen) mutated(text string) string {
	if text == "" {
		return pick(g, " ", "x", "\xff")
	}
	i := g.IntN(len(text))
	before, c, after := text[:i], text[i:i+1], text[i+1:]
	switch g.IntN(6) {
	case 0:
		return before + after
	case 1:
		return before + c + c + after
	case 2:
		return before + pick(g, ".", "-", "_", "x", "X", "0", "~", "%", ",", " ", "\t", "\x7f", "\xff", "\u00e9") + after
	default:
		return before + g.lookalike(c) + after
	}
}

// lookalike returns what c is for those who overlook its case, also beyond ASCII:
// the Kelvin sign and the long s.
func (g gen) lookalike(c string) string {
	switch b := c[0]; {
	case b|0x20 == 'k' && g.oneIn(2):
		return "\u212a"
	case b|0x20 == 's' && g.oneIn(2):
		return "\u017f"
	case 'a' <= b|0x20 && b|0x20 <= 'z':
		return string(b ^ 0x20)
	case b == '.':
		return "x"
	}
	return c + c
}

// anyCase returns text with the case of some letters changed.
func (g gen) anyCase(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'a' <= c|0x20 && c|0x20 <= 'z' && g.oneIn(2) {
			b[i] ^= 0x20
		}
	}
	return string(b)
}
