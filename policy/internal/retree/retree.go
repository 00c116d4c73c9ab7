// Package retree measures the trees of package regexp/syntax.
package retree

import "regexp/syntax"

// Size returns about how many instructions a tree has with each repetition written out. The
// bounds of a class are there once.
func Size(tree *syntax.Regexp) int { return size(tree, 1) }

// size is for a part of a tree that is there so many times.
func size(tree *syntax.Regexp, times int) int {
	n := times
	switch tree.Op {
	case syntax.OpLiteral:
		n = times * len(tree.Rune)
	case syntax.OpCharClass:
		n += len(tree.Rune)
	case syntax.OpRepeat:
		times *= max(tree.Min, tree.Max, 1)
	}
	for _, sub := range tree.Sub {
		n += size(sub, times)
	}
	return n
}

// InClass reports whether a class, the Rune of an OpCharClass, has c.
func InClass(ranges []rune, c rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] <= c && c <= ranges[i+1] {
			return true
		}
	}
	return false
}
