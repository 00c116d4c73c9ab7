// Package few keeps few of many findings: a million mistakes cost no more
// memory than a thousand.
package few

import "slices"

// List keeps the first of the values that it is given and counts the others.
type List[T any] struct {
	limit   int
	compare func(a, b T) int
	kept    []T // at most twice limit; once others are dropped, the first limit of them are sorted
	more    int
	next    T // the first of those that are dropped
}

// New returns a list of at most limit values. Those come first that compare
// says, and of equal ones those that were added first.
func New[T any](limit int, compare func(a, b T) int) *List[T] {
	return &List[T]{limit: limit, compare: compare}
}

// Wants reports whether x would be kept, as far as is known by now. What is
// costly to make can be left out of what is not.
func (l *List[T]) Wants(x T) bool {
	return l.more == 0 || l.compare(x, l.kept[l.limit-1]) < 0
}

// Add keeps x or counts it.
func (l *List[T]) Add(x T) {
	if !l.Wants(x) {
		l.drop(x)
		return
	}
	if l.kept = append(l.kept, x); len(l.kept) > 2*l.limit {
		l.cut()
	}
}

// First returns what is kept, how many others there were, and the first of
// those. Where there were others, what is kept is sorted.
func (l *List[T]) First() (kept []T, more int, next T) {
	if l.more > 0 || len(l.kept) > l.limit {
		l.cut()
	}
	return l.kept, l.more, l.next
}

func (l *List[T]) cut() {
	slices.SortStableFunc(l.kept, l.compare)
	for _, x := range l.kept[l.limit:] {
		l.drop(x)
	}
	clear(l.kept[l.limit:])
	l.kept = l.kept[:l.limit]
}

func (l *List[T]) drop(x T) {
	if l.more == 0 || l.compare(x, l.next) < 0 {
		l.next = x
	}
	l.more++
}
