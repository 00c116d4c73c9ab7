package prove

import (
	"cmp"
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// Translate finds the patterns that stand for a regex. It returns an error, which says
// what to write, if RE2 cannot read the regex or if the proof would be too big.
func Translate(r Regex) (Verdict, error) { return NewBudget(MaxWork).Translate(r) }

// Translate is the function Translate within the budget. All is too big once nothing
// is left of it.
func (b *Budget) Translate(r Regex) (Verdict, error) {
	tree, err := r.parse()
	if err != nil {
		return Verdict{}, err
	}
	var v Verdict
	b.part(b.left/2, func(half *Budget) { v, err = half.translate(r, tree, maxNames) })
	if errors.Is(err, ErrTooBig) { // then what a class leaves open is not listed
		return b.translate(r, tree, 1)
	}
	return v, err
}

// Within is Translate with at most so much of the budget.
func (b *Budget) Within(most int, r Regex) (v Verdict, err error) {
	b.part(most, func(part *Budget) { v, err = part.Translate(r) })
	return v, err
}

func (b *Budget) translate(r Regex, tree *syntax.Regexp, names int) (Verdict, error) {
	may, err := candidates(tree, names)
	if err != nil {
		return Verdict{}, err
	}
	p := newProver(b)
	if p.regex, err = newDFA(r.whole(tree), b); err != nil {
		return Verdict{}, err
	}
	p.translate(may)
	if err := b.err(); err != nil {
		return Verdict{}, err
	}
	return p.verdict, nil
}

// prover is one translation.
type prover struct {
	budget            *Budget
	origins           *origins
	regex             *dfa
	source            *language // what regex matches
	verdict           Verdict
	kept              []policy.Pattern
	wide              []policy.Pattern // those of Widening
	plain             string           // the shape of pages to look at: of apps only if there are no others
	addsPort, addsOdd bool             // kept allow the default port besides, or odd names
}

func newProver(b *Budget) *prover { return &prover{budget: b, origins: newOrigins()} }

// read returns the machine of a regex.
func (p *prover) read(r Regex) (*dfa, error) {
	tree, err := r.parse()
	if err != nil {
		return nil, err
	}
	return newDFA(r.whole(tree), p.budget)
}

// Shapes of origins. A name that is not odd is one that somebody can register: without
// "_", and without a hyphen at an end of a label.
const (
	plainLabel = `[a-z0-9]+(?:-+[a-z0-9]+)*`
	plainHost  = `(?:(?:` + plainLabel + `\.)*` + plainLabel + `|\[.*\])` + anyPort + `?`
	plainPage  = `https?://` + plainHost
	plainAny   = `[^/]*://` + plainHost
	plainApp   = `[^/]*://[a-z0-9.:-]*`
	webHost    = `https://` + plainLabel + `(?:\.` + plainLabel + `)+`
	webPage    = `https?://[^/]*`
)

func (p *prover) translate(may []policy.Pattern) {
	p.source = build(p.budget, p.origins, p.regex)
	if _, some := p.less(p.source, p.machine(nothing)); !some { // also if all would be too long
		p.verdict.Kind = Never
		return
	}
	for _, c := range may {
		p.try(c)
	}
	p.kept = uncovered(p.kept)
	for _, c := range p.kept {
		p.verdict.Patterns = append(p.verdict.Patterns, c.String())
	}
	p.compare()
}

// language returns the origins that an expression matches.
func (p *prover) language(expr string) *language { return build(p.budget, p.origins, p.machine(expr)) }

// machine returns that of an expression of this package.
func (p *prover) machine(expr string) machine {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		p.budget.left = -1 // the host is too long for an expression
		tree = &syntax.Regexp{Op: syntax.OpNoMatch}
	}
	d, err := newDFA(tree, p.budget)
	if err != nil {
		p.budget.left = -1
	}
	return d
}

// less returns a shortest origin of l that m does not accept.
func (p *prover) less(l *language, m machine) (string, bool) { return witness(p.budget, l, m) }

// try enters a pattern among those that are kept, or those that allow more.
func (p *prover) try(c policy.Pattern) {
	if slices.ContainsFunc(p.kept, func(kept policy.Pattern) bool { return kept.Covers(c) }) {
		return
	}
	if c.Form == policy.FormExact && c.Port != policy.AnyPort {
		if has(p.source, c.String()) {
			p.kept = append(p.kept, c)
		} else {
			p.widens(c, c.String())
		}
		return
	}
	allowed := p.language(Expression([]policy.Pattern{c}))
	added, more := p.less(allowed, p.source)
	if !more {
		p.kept = append(p.kept, c)
		return
	}
	plain := build(p.budget, allowed, p.machine(shapeOf(c)))
	witness, more := p.less(plain, p.source)
	switch {
	case plain.isNone: // it is for odd names only
		p.widens(c, added)
	case !more:
		p.keepOdd(c, added)
	case c.Port == policy.AnyPort && p.addsDefaultPort(plain):
		p.kept, p.addsPort, p.verdict.Added = append(p.kept, c), true, witness
	default:
		p.widens(c, witness)
	}
}

// shapeOf returns the shape of the origins of a pattern that are not odd.
func shapeOf(c policy.Pattern) string {
	if isWeb(c) {
		return plainPage
	}
	return plainApp
}

// addsDefaultPort reports whether the regex matches all of l that has a port.
func (p *prover) addsDefaultPort(l *language) bool {
	_, more := p.less(build(p.budget, l, p.machine(`.*:[0-9]+`)), p.source)
	return !more
}

func (p *prover) keepOdd(c policy.Pattern, added string) {
	p.kept, p.addsOdd = append(p.kept, c), true
	if !p.addsPort {
		p.verdict.Added = added
	}
}

func (p *prover) widens(c policy.Pattern, witness string) {
	p.wide = append(p.wide, c)
	p.verdict.Widening = append(p.verdict.Widening, Widening{c.String(), witness})
}

func isWeb(c policy.Pattern) bool { return c.Scheme == "http" || c.Scheme == "https" }

// uncovered returns the patterns that no other one covers.
func uncovered(list []policy.Pattern) (needed []policy.Pattern) {
	for i, p := range list {
		covered := false
		for j, q := range list {
			covered = covered || i != j && q.Covers(p) && !(p.Covers(q) && i < j)
		}
		if !covered {
			needed = append(needed, p)
		}
	}
	return needed
}

// compare sets the kind of the verdict, and its witnesses.
func (p *prover) compare() {
	v := &p.verdict
	kept := Expression(p.kept)
	odd, losesOdd := p.less(p.source, p.machine(kept))
	p.plain = plainPage
	if _, some := p.lost(plainPage, nothing); !some {
		p.plain = plainAny
	}
	page, losesPage := p.lost(p.plain, kept)
	if !losesPage {
		v.Widening = nil
	}
	if !losesOdd {
		v.Kind = p.equal()
		return
	}
	app, losesApp := p.lost(plainAny, kept+"|"+webPage)
	v.Lost = cmp.Or(page, app, odd)
	p.findOwners(kept)
	if losesPage {
		p.findWider()
	}
	switch {
	case len(p.kept) == 0 && len(v.Wider) > 0:
		v.Kind = WidenOnly
	case len(p.kept) == 0:
		v.Kind = None
	case losesPage && v.LostOwn == "" && v.Hole != "":
		v.Kind = NarrowedForeign
	case losesPage:
		v.Kind = NarrowedOwn
	case losesApp:
		v.Kind = NarrowedScheme
	case p.addsPort:
		v.Kind = EqualPlusDefaultPort
	default:
		v.Kind = EqualButOddNames
	}
}

// equal is the kind if nothing is lost.
func (p *prover) equal() Kind {
	switch {
	case p.addsPort:
		return EqualPlusDefaultPort
	case p.addsOdd:
		return EqualButOddNames
	}
	return Equal
}

// lost returns a shortest origin of that shape that the regex matches and another
// expression does not.
func (p *prover) lost(shape, other string) (string, bool) {
	return p.less(build(p.budget, p.source, p.machine(shape)), p.machine(other))
}

// findOwners looks for what is lost of the domains that are meant, and for what the
// regex allows elsewhere: preferably what everybody takes for a site.
func (p *prover) findOwners(kept string) {
	v, meant := &p.verdict, slices.Concat(p.kept, p.wide)
	v.LostOwn, _ = p.lost(domains(meant, plainLabel), kept)
	own := domains(meant, labelExpr)
	site, _ := p.lost(webHost, own)
	page, _ := p.lost(plainPage, own)
	v.Hole = cmp.Or(site, page)
}

// maxTried bounds how many patterns are left out one by one.
const maxTried = 16

// findWider tries whether all patterns together cover every web page, and leaves out
// what is not needed for that, the widest first.
func (p *prover) findWider() {
	wide := slices.Clone(p.wide)
	if len(wide) == 0 || !p.covers(wide) {
		return
	}
	slices.SortStableFunc(wide, widestFirst)
	for i := 0; i < len(wide) && len(wide) <= maxTried; {
		if fewer := slices.Delete(slices.Clone(wide), i, i+1); p.covers(fewer) {
			wide = fewer
		} else {
			i++
		}
	}
	for _, c := range uncovered(slices.Concat(p.kept, wide)) {
		p.verdict.Wider = append(p.verdict.Wider, c.String())
	}
}

func widestFirst(a, b policy.Pattern) int {
	switch {
	case a.Covers(b):
		return -1
	case b.Covers(a):
		return 1
	}
	return 0
}

// covers reports whether what is kept and wide allow every page that is looked at.
func (p *prover) covers(wide []policy.Pattern) bool {
	_, some := p.lost(p.plain, Expression(slices.Concat(p.kept, wide)))
	return !some
}

// domains returns the expression of all that is at or below the hosts of patterns, on
// any port; label is one of a name.
func domains(list []policy.Pattern, label string) string {
	var u union
	for _, c := range list {
		scheme := "https?"
		if !isWeb(c) {
			scheme = regexp.QuoteMeta(c.Scheme)
		}
		if c.Form == policy.FormAnyHost {
			u.add(scheme+"://", `(?:[^/:\[]*|\[[^/]*\])`+anyPort+"?")
		} else {
			u.add(scheme+`://(?:`+label+`\.)*`, regexp.QuoteMeta(c.Host)+anyPort+"?")
		}
	}
	return u.String()
}
