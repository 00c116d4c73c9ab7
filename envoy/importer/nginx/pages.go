package nginx

import (
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// errorPages tells of answers that an error_page fetches from another location, if other pages
// may read them than the usual answers.
func (s *site) errorPages(paths []way, literals []literalEntry) {
	for _, d := range s.location.scope.errorPages() {
		if len(d.args) > 1 && s.conf.isInternal(d.arg(len(d.args)-1)) {
			s.errorPage(d, paths, literals)
		}
	}
}

func (s *site) errorPage(d *directive, paths []way, literals []literalEntry) {
	failing := *s
	failing.findings, failing.fails = &findings{}, d
	var c comparison
	usual := map[string][]answer{}
	var every []answer
	for _, p := range paths {
		usual[p.origins()] = append(usual[p.origins()], p.answer)
		every = append(every, p.answer)
	}
	for _, p := range failing.explore("") {
		if p.isSeldom() {
			continue
		}
		if alike, known := usual[p.origins()]; known {
			c.add(alike, p.answer)
		} else {
			c.add(every, p.answer)
		}
	}
	for _, l := range literals {
		if !l.isDecided || l.isAlike {
			continue
		}
		for _, p := range failing.explore(l.origin) {
			if !p.isSeldom() {
				c.add([]answer{l.answer}, p.answer)
			}
		}
	}
	c.tell(s, d)
}

// comparison says whether error pages may be read by more pages or by fewer than the usual
// answers.
type comparison struct{ more, less bool }

func (c *comparison) add(usual []answer, failed answer) {
	for _, a := range usual {
		switch {
		case a.readers() == failed.readers():
		case failed.verdict != denied:
			c.more = true
		case a.everyStatus:
			c.less = true
		}
	}
}

func (c *comparison) tell(s *site, d *directive) {
	f := source.Finding{Place: d.Place, Field: d.name, Value: strings.Join(d.args, " ")}
	switch {
	case c.more:
		f.Fidelity, f.Hint = source.Decide, "write a policy for the paths that lead there, if their errors are meant to be read"
		f.Message = "answers with these statuses come from another location, which adds other CORS headers: those are not imported"
	case c.less:
		f.Fidelity, f.Message = source.Differs, "answers with these statuses come from another location, which does not add these headers; corsgate adds them to all"
		if strings.HasPrefix(d.arg(len(d.args)-2), "=") { // what answers need not be an error
			f.Fidelity = source.Widened
		}
	default:
		return
	}
	s.findings.add(f)
}
