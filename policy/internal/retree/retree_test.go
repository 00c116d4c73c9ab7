package retree

import (
	"regexp/syntax"
	"testing"
)

func TestSize(t *testing.T) {
	for expr, want := range map[string]int{
		"abc":         3,
		"(abc){4}":    17,
		"[ac]":        5,
		"[ac]{10}":    15,
		"((a{3}){2})": 12,
	} {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := Size(tree); got != want {
			t.Errorf("%s: %d, want %d", expr, got, want)
		}
	}
}

func TestInClass(t *testing.T) {
	class := []rune{'a', 'c', 'x', 'x'}
	for c, want := range map[rune]bool{'a': true, 'b': true, 'c': true, 'd': false, 'x': true, 'y': false, '.': false} {
		if got := InClass(class, c); got != want {
			t.Errorf("%q: %t, want %t", c, got, want)
		}
	}
}
