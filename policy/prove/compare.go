package prove

// Compare returns a shortest origin that a matches and b does not, and one that b
// matches and a does not. Both are empty if a and b match the same origins. It returns an
// error, which says what to write, if RE2 cannot read one of them or if the proof would
// be too big.
func Compare(a, b Regex) (onlyA, onlyB string, err error) {
	p := newProver(NewBudget(MaxWork))
	left, err := p.read(a)
	if err != nil {
		return "", "", err
	}
	right, err := p.read(b)
	if err != nil {
		return "", "", err
	}
	onlyA, _ = p.less(build(p.budget, p.origins, left), right)
	onlyB, _ = p.less(build(p.budget, p.origins, right), left)
	return onlyA, onlyB, p.budget.err()
}

// Both returns a shortest origin that both a and b match, or nothing if there is none.
// Its errors are those of Compare.
func Both(a, b Regex) (origin string, err error) {
	p := newProver(NewBudget(MaxWork))
	left, err := p.read(a)
	if err != nil {
		return "", err
	}
	right, err := p.read(b)
	if err != nil {
		return "", err
	}
	origin, _ = p.less(build(p.budget, build(p.budget, p.origins, left), right), p.machine(nothing))
	return origin, p.budget.err()
}
