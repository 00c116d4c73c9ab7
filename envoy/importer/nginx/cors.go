package nginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

// findings collects what is to be told, each once.
type findings struct{ list []source.Finding }

func (f *findings) add(found source.Finding) {
	if !slices.Contains(f.list, found) {
		f.list = append(f.list, found)
	}
}

// entry is an origin that is allowed, and its answer.
type entry struct {
	source.Origin
	answer   answer
	isUnsent bool // no browser sends it
}

// cors returns what a location does about CORS, or nil for nothing.
func (s *site) cors() *source.CORS {
	paths := s.explore("")
	if paths == nil {
		s.tooMany()
		return nil
	}
	s.isLocal = s.answersAll(paths)
	every := paths
	paths, ok := s.usual(paths, "nothing is imported for "+s.location.what())
	if !ok {
		s.refusesToo(s.refused(every, nil))
		return nil
	}
	literals := s.literals()
	s.errorPages(paths, literals)
	if s.conf.isSpent() {
		s.tooMany()
		return nil
	}
	refused := s.refused(paths, literals)
	found := s.entries(paths, literals)
	if len(found) == 0 {
		s.nobody(paths, refused)
		return nil
	}
	c := s.make(found, paths)
	// A policy that allows nobody is off, and refuses nothing.
	refused.some = refused.some || !slices.ContainsFunc(found, func(e entry) bool { return !e.isUnsent })
	c.Denied = s.denied(refused)
	return c
}

// answersAll reports whether nginx answers each request by itself, with nothing about CORS.
func (s *site) answersAll(paths []way) bool {
	return len(s.conf.seen)+len(regexes(paths)) == 0 && !slices.ContainsFunc(paths, func(p way) bool {
		return !p.answer.ended || p.answer.key() != "" || p.answer.preflights
	})
}

// nobody tells of a location that allows no origin.
func (s *site) nobody(paths []way, refused refusal) {
	s.early(paths)
	s.onlyRefuses(refused)
	s.never()
}

// entries are the origins that are allowed.
func (s *site) entries(paths []way, literals []literalEntry) []entry {
	found := s.regexEntries(paths, literals)
	for _, l := range literals {
		if l.answer.verdict != denied {
			l.isUnsent = !l.isSent()
			found = append(found, l.entry)
		}
	}
	if all := everybody(paths); all.verdict != denied {
		e := entry{answer: all}
		e.Any, e.Text = source.Reflected, source.Text{Place: s.place(), Text: "$" + varOrigin}
		if all.verdict == star {
			e.Any, e.Text.Text = source.Star, "*"
		}
		switch {
		case isUniform(paths, literals, all.key()):
			found = []entry{e}
		case s.excepts(paths, literals, all.key(), len(found) > 0):
		default:
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b entry) int { return a.Line - b.Line })
	return found
}

// place is where the location's Access-Control-Allow-Origin stands, else the location.
func (s *site) place() (at source.Place) {
	for scope := s.location.scope; scope != nil; scope = scope.parent {
		walk(scope.list, func(d *directive) {
			if at.Line == 0 && setsOrigin(d) {
				at = d.Place
			}
		})
	}
	if list := s.location.scope.list; at.Line == 0 && len(list) > 0 {
		at = list[0].Place
	}
	return at
}

// regexEntries returns the regexes whose origins are all allowed.
func (s *site) regexEntries(paths []way, literals []literalEntry) (found []entry) {
	listed := map[string]bool{}
	for _, c := range regexes(paths) {
		answers := map[string]answer{}
		refused := false
		for _, p := range paths {
			if p.mayBe(c) {
				refused = refused || p.answer.verdict == denied
				answers[p.answer.key()] = p.answer
			}
		}
		re, err := c.regex.Compile()
		except := slices.ContainsFunc(literals, func(l literalEntry) bool {
			_, alike := answers[l.answer.key()]
			return !alike && err == nil && re.MatchString(l.origin)
		})
		if !refused && len(answers) == 1 && !except {
			listed[c.key()] = true
			for _, a := range answers {
				found = append(found, entry{Origin: source.Origin{Text: c.Text, Regex: c.regex, Meant: withoutCase(c.regex)}, answer: a})
			}
			continue
		}
		if allowedBy(paths, c) && (!refused || except || s.alone(paths, c)) {
			s.exception(c)
		}
	}
	for _, p := range paths {
		s.left(p, listed)
	}
	return found
}

// withoutCase returns what a regex with upper case was meant for, if it matches no origin:
// browsers send lower case.
func withoutCase(r prove.Regex) []string {
	if r.Fold || r.Expr == strings.ToLower(r.Expr) {
		return nil
	}
	if v, err := prove.Translate(r); err != nil || v.Kind != prove.Never {
		return nil
	}
	r.Fold = true
	v, err := prove.Translate(r)
	if err != nil {
		return nil
	}
	return v.Patterns
}

// allowedBy reports whether an origin is allowed that c holds for.
func allowedBy(paths []way, c condition) bool {
	return slices.ContainsFunc(paths, func(p way) bool { return p.yes[c.key()] && p.answer.verdict != denied })
}

// alone reports whether c is the only regex that holds on an allowed path.
func (s *site) alone(paths []way, c condition) bool {
	return slices.ContainsFunc(paths, func(p way) bool {
		return p.yes[c.key()] && p.answer.verdict != denied && len(p.holding()) == 1
	})
}

// holding returns the conditions about the origin that hold on p.
func (p way) holding() (found []condition) {
	for _, c := range p.asked {
		if c.about == varOrigin && p.yes[c.key()] {
			found = append(found, c)
		}
	}
	return found
}

func (s *site) exception(c condition) {
	s.findings.add(source.Finding{
		Fidelity: source.Decide, Place: c.Place, Field: "regex", Value: c.Text.Text,
		Message: "some origins that this matches are refused by another line, or get another answer, which a policy cannot say: its origins are left out",
		Hint:    "list the origins that are meant",
	})
}

// left tells of an allowed path whose origins no entry has.
func (s *site) left(p way, listed map[string]bool) {
	holding := p.holding()
	if p.answer.verdict == denied || len(holding) < 2 ||
		slices.ContainsFunc(holding, func(c condition) bool { return listed[c.key()] }) {
		return
	}
	c := holding[len(holding)-1]
	s.findings.add(source.Finding{
		Fidelity: source.Decide, Place: c.Place, Field: "regex", Value: c.Text.Text,
		Message: "only origins that " + holding[0].Text.Text + " matches as well are allowed, which a policy cannot say: they are left out",
		Hint:    "write one regex, or list the origins that are meant",
	})
}

// everybody is the answer to an origin that nothing matches.
func everybody(paths []way) answer {
	for _, p := range paths {
		if len(p.holding()) == 0 {
			return p.answer
		}
	}
	return answer{}
}

// isUniform reports whether every origin gets the answer of that key.
func isUniform(paths []way, literals []literalEntry, key string) bool {
	return !slices.ContainsFunc(paths, func(p way) bool { return p.answer.key() != key }) &&
		!slices.ContainsFunc(literals, func(l literalEntry) bool { return l.isSent() && l.answer.key() != key })
}

// excepts tells if everybody is allowed but for some, or some get another answer that no
// entry of the list has.
func (s *site) excepts(paths []way, literals []literalEntry, key string, listed bool) bool {
	var but []source.Text
	differs := func(a answer) bool { return a.verdict == denied || !listed && a.key() != key }
	for _, p := range paths {
		if differs(p.answer) && len(p.holding()) > 0 {
			but = append(but, p.holding()[0].Text)
		}
	}
	for _, l := range literals {
		if l.isSent() && differs(l.answer) {
			but = append(but, l.Text)
		}
	}
	if but == nil {
		return false
	}
	s.findings.add(source.Finding{
		Fidelity: source.Decide, Place: but[0].Place, Field: "Access-Control-Allow-Origin", Value: but[0].Text,
		Message: "every origin is allowed but for some, or they get another answer, which a policy cannot say: only origins that are listed are imported",
		Hint:    "list the origins that are meant",
	})
	return true
}

// early tells of a location that answers preflights and leaves the rest to the upstream.
func (s *site) early(paths []way) {
	for _, p := range paths {
		if p.answer.early != nil {
			s.findings.add(source.Finding{
				Fidelity: source.Decide, Place: *p.answer.early, Field: "Access-Control-Allow-Origin",
				Message: "nginx adds this to the answers of preflights only: what pages may read is up to the upstream's own headers, which are not in the input, so nothing is imported",
				Hint:    "write a policy with the origins that the upstream allows",
			})
			return
		}
	}
}

// never tells of a header that no page gets, if nothing else is told of the location.
func (s *site) never() {
	list := s.location.scope.nearest("add_header")
	i := slices.IndexFunc(list, func(d *directive) bool { return setsOrigin(d) && s.conf.sent[d] })
	if i >= 0 && len(s.findings.list) == 0 {
		s.findings.add(source.Finding{
			Fidelity: source.Dropped, Place: list[i].Place, Field: list[i].name, Value: list[i].arg(0),
			Message: "no answer gets this header: its value is empty whatever the origin is, or nginx adds it to other statuses only than those of its answers",
		})
	}
}

// make writes one answer for all entries. Of several it takes the one that says most of
// known origins.
func (s *site) make(found []entry, paths []way) *source.CORS {
	best := found[0]
	for _, e := range found {
		if rank(e) > rank(best) {
			best = e
		}
	}
	c := &source.CORS{
		Methods: best.answer.methods, Headers: best.answer.headers, Expose: best.answer.expose,
		Credentials: best.answer.credentials || best.Any == source.Star && best.answer.useless, MaxAge: best.answer.maxAge, PrivateNetwork: best.answer.private,
		KeepsUpstream: best.answer.keepsUpstream && !s.conf.supposed, ForwardsUnmatched: everybody(paths).forwards && !s.conf.supposed,
	}
	for _, e := range found {
		if e.answer.key() != best.answer.key() || e.Any != source.NotAny && len(found) > 1 {
			s.lost(e, best)
			continue
		}
		c.Origins = append(c.Origins, e.Origin)
	}
	return c
}

// rank prefers answers to known origins, then those with credentials.
func rank(e entry) (r int) {
	if e.Any == source.NotAny {
		r += 2
	}
	if e.answer.credentials {
		r++
	}
	return r
}

func (s *site) lost(e, best entry) {
	f := source.Finding{
		Fidelity: source.Decide, Place: e.Place, Field: "Access-Control-Allow-Origin", Value: e.Text.Text,
		Message: "these origins get another answer than those of " + best.Place.String() + ", and one policy has one answer for all: they are left out",
		Hint:    "give them a policy of their own, on a host or path of its own",
	}
	if e.Any == source.Star || e.Any == source.Reflected && !e.answer.credentials {
		f.Fidelity = source.Narrowed
		f.Message = "there are two tiers: everybody else is answered without credentials, and one policy has one answer for all: the public tier is lost"
		f.Hint = `write a policy with allowOrigins: ["*"] instead, if the public tier matters more`
	}
	s.findings.add(f)
}
