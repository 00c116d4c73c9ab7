// Package importer translates what the configurations of other systems say about CORS into
// policies, tells how faithful each part is, and makes cases of what the systems do.
//
// A package below it reads each system, and tells in the words of package source what that
// system does. What is the same for all systems is here: which policy covers which requests
// (chart.go), origins to patterns (origins.go), methods and headers (names.go), what has to
// be asked for (optins.go).
package importer

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// Options say what to do if a policy cannot be the same as its source.
type Options struct {
	// KeepRegexes keeps a regex whose patterns would allow less.
	KeepRegexes bool
	// Widen writes patterns that allow more if there are no others.
	Widen bool
	// Unmatched is forward if a preflight of an unknown origin is to go to the upstream
	// where the source does that, and Upstream is defer if the upstream's own CORS headers
	// are to stay where they do.
	Unmatched policy.UnmatchedPreflights
	Upstream  policy.UpstreamHeaders
	// Rehearse writes what was as enforced, and what should be as shadow.
	Rehearse bool
}

// keptHint says what to do about a regex that is kept since KeepRegexes asks for it.
func (o Options) keptHint() string {
	if o.Rehearse {
		return "" // the policy in shadow has patterns
	}
	return "leave out --keep-regexes to have patterns where they allow no more"
}

// Result is the translation.
type Result struct {
	// Policies load without an error.
	Policies []policy.Spec
	// Findings are in the order of the policies; those of none come last.
	Findings []source.Finding

	places []source.Place // of Policies
	chart  *chart
	proofs *proofs
}

// Undecided reports whether somebody has to decide something, or a policy allows more than
// its source.
func (r Result) Undecided() bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		return f.Fidelity == source.Decide || f.Fidelity == source.Widened
	})
}

// Translate returns the policies that decide like the configurations. If two of them answer
// the same requests, the first one counts.
func Translate(o Options, configs ...source.Config) Result {
	if o.Rehearse {
		return rehearse(o, configs, newProofs())
	}
	return translateAll(o, configs, newProofs())
}

func translateAll(o Options, configs []source.Config, known *proofs) Result {
	w := writer{options: o, chart: newChart(configs), names: map[string]bool{}, proofs: known}
	for _, l := range w.chart.lanes {
		if l.route.CORS != nil {
			l.answer = translate(l.route.CORS, o, w.proofs)
		}
	}
	w.chart.draw()
	for _, l := range w.chart.lanes {
		w.write(l)
	}
	for _, l := range w.chart.lanes {
		w.chart.compare(l)
		w.tell(l)
	}
	for _, c := range configs {
		w.result.Findings = append(w.result.Findings, c.Findings...)
	}
	w.result.check()
	w.tellIdle()
	w.result.chart, w.result.proofs = w.chart, known
	return w.result
}

// tellIdle tells of an input that is about CORS, and of which nothing else is told.
func (w *writer) tellIdle() {
	if len(w.result.Policies)+len(w.result.Findings) > 0 || len(w.chart.lanes) == 0 {
		return
	}
	w.result.Findings = []source.Finding{{
		Fidelity: source.Dropped, Place: w.chart.lanes[0].route.Place,
		Message: "no request gets what the input says about CORS: there is nothing to write a policy about",
	}}
}

// writer makes policies of lanes.
type writer struct {
	options Options
	chart   *chart
	names   map[string]bool // that are taken
	proofs  *proofs
	result  Result
}

// write writes the policies of a lane.
func (w *writer) write(l *lane) {
	base := nameOf(l.route)
	spec := policy.Spec{Mode: policy.ModeOff}
	if l.answer != nil {
		spec = l.answer.spec
	}
	w.add(l, spec, base, l.scopes)
	if spec.Mode == policy.ModeShadow {
		// A shadow policy does not keep requests from the enforced one around it.
		bare := policy.Spec{Mode: policy.ModeOff}
		w.add(l, bare, base+"-off", w.chart.within(l.scopes))
	}
}

// add writes a policy for each group of scopes.
func (w *writer) add(l *lane, spec policy.Spec, base string, scopes []scope) {
	for _, c := range coversOf(scopes) {
		spec.Hosts, spec.Paths = c.hosts, c.paths
		spec.Name = w.unique(base)
		w.result.Policies = append(w.result.Policies, spec)
		w.result.places = append(w.result.places, l.route.Place)
		l.policies = append(l.policies, spec.Name)
	}
}

// tell adds the findings of a lane.
func (w *writer) tell(l *lane) {
	found := slices.Clone(l.route.Findings)
	if l.isPiece() {
		found = append(found, source.Finding{Fidelity: source.Differs, Place: l.route.Place, Field: hostsField,
			Message: "the input does not say for which hosts this is; the policy is for every host", Hint: "write hosts into the policy"})
	}
	found = append(found, l.findings...)
	if l.answer != nil && l.reached {
		found = append(found, l.answer.findings...)
	}
	slices.SortStableFunc(found, func(a, b source.Finding) int { return comparePlaces(a.Place, b.Place) })
	for _, f := range found {
		if len(l.policies) > 0 {
			f.Policy = l.policies[0]
		}
		w.result.Findings = append(w.result.Findings, f)
	}
}

// check leaves out what could not be loaded.
func (r *Result) check() {
	refused := map[int]policy.Problem{}
	policyfile.Examine(r.Policies, func(p policy.Problem) {
		if _, known := refused[p.Spec]; p.Level == policy.Error && !known {
			refused[p.Spec] = p
		}
	})
	for i := len(r.Policies) - 1; i >= 0; i-- {
		p, bad := refused[i]
		if !bad {
			continue
		}
		r.Findings = append(r.Findings, source.Finding{
			Fidelity: source.Decide, Policy: r.Policies[i].Name, Place: r.places[i], Field: p.Field, Value: p.Value,
			Message: "the policy is left out, since corsgate refuses it: " + p.Reason, Hint: p.Hint,
		})
		r.Policies = slices.Delete(r.Policies, i, i+1)
		r.places = slices.Delete(r.places, i, i+1)
	}
}

// comparePlaces orders what has no place last.
func comparePlaces(a, b source.Place) int {
	if nowhere := (source.Place{}); a == nowhere || b == nowhere {
		return cmp.Compare(b.Line, a.Line)
	}
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
