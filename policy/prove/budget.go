package prove

import "errors"

// ErrTooBig is for a regex that would take more time or memory than a proof may.
var ErrTooBig = errors.New("the regex is too big to be compared: write several smaller ones, or list the origins")

// Budget bounds the work of several proofs together. It is not safe for concurrent use.
type Budget struct{ left int }

// MaxWork is the budget of one proof by Translate or Compare. It takes about a second.
const MaxWork = 24 << 20

// maxStates bounds the states of one machine, and so the memory that it takes.
const maxStates = 1 << 17

// NewBudget returns a budget for so much work. An ordinary regex takes 50000.
func NewBudget(work int) *Budget { return &Budget{work} }

// Left returns what is left.
func (b *Budget) Left() int { return max(0, b.left) }

// part does work with at most so much of what is left.
func (b *Budget) part(most int, work func(*Budget)) {
	most = min(most, b.Left())
	p := NewBudget(most)
	work(p)
	b.left -= most - p.Left()
}

// spend reports whether there was enough left. Once nothing is left, results mean
// nothing.
func (b *Budget) spend(n int) bool {
	b.left -= n
	return b.left >= 0
}

// hold spends all if so many states are too many.
func (b *Budget) hold(states int) {
	if states > maxStates {
		b.left = -1
	}
}

// err is ErrTooBig if more was spent than there was.
func (b *Budget) err() error {
	if b.left < 0 {
		return ErrTooBig
	}
	return nil
}
