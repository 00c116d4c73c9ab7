// Package proofs names, in the hints about regexes, the patterns that stand for them. A
// proof takes a while, so it is for findings that somebody reads, and not for those of
// every load.
package proofs

import (
	"errors"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/policy/prove"
)

// The bounds of the proofs for a list of findings: the work for one regex, ten times what an
// ordinary one takes, and for all of them, which is half a second.
const (
	maxProof  = 1 << 19
	maxProofs = 16 * maxProof
)

// The bounds of what a hint proposes: patterns and bytes.
const (
	maxPatterns = 6
	maxProposed = 512
)

// maxValue is beyond the regexes that a finding has whole.
const maxValue = 256

// aboutRegex are the codes of what is said of a regex if a pattern would be better,
// with the opt-in that lifts each, or none.
var aboutRegex = map[string]policy.OptIn{
	"regex-opt-in":           policy.OptInOriginRegex,
	"regex-with-credentials": policy.OptInAnyOriginWithCredentials,
	"public-suffix":          policy.OptInPublicSuffix,
	"regex-hostile":          "", "regex-open-dot": "", "regex-too-big": "",
}

// proofs are those for a list of findings.
type proofs struct {
	left     *prove.Budget
	verdicts map[string]prove.Verdict // :: regex -> what is proved; without patterns if none is good
}

// Hint replaces the hints of findings about regexes by the patterns that are proved to
// allow the same, or less, and by what to write instead of what RE2 has not.
func Hint(found []policyfile.Diagnostic) {
	p := proofs{left: prove.NewBudget(maxProofs), verdicts: map[string]prove.Verdict{}}
	for i, d := range found {
		if len(d.Value) < maxValue {
			p.hint(&found[i])
		}
	}
}

func (p *proofs) hint(d *policyfile.Diagnostic) {
	optIn, about := aboutRegex[d.Code]
	switch {
	case about && strings.Contains(d.Field, ".allowOriginRegexes["):
		v := p.verdict(d.Value)
		if len(v.Patterns) == 0 {
			return
		}
		d.Hint = "write " + printable.List(v.Patterns) + " under allowOrigins, " + compared(v)
		if optIn != "" && d.Level == policy.Error {
			d.Hint += policy.OrOptIn(optIn)
		}
	case d.Code == "regex-syntax":
		_, err := prove.Translate(prove.Regex{Expr: d.Value})
		if foreign, is := errors.AsType[*prove.ForeignError](err); is {
			d.Hint = foreign.Error()
		}
	case d.Code == "origin-regex" && isSurelyRegex(d):
		if v := p.verdict(d.Value); v.Kind <= prove.EqualButOddNames && len(v.Patterns) > 0 {
			d.Hint = "write " + printable.List(v.Patterns) + ", " + compared(v)
		}
	}
}

// isSurelyRegex reports whether an entry of allowOrigins is no glob, and nothing simpler
// was meant.
func isSurelyRegex(d *policyfile.Diagnostic) bool {
	return strings.ContainsAny(d.Value, `\([`) && !strings.HasPrefix(d.Hint, "did you mean")
}

func (p *proofs) verdict(expr string) prove.Verdict {
	v, known := p.verdicts[expr]
	if !known {
		v = p.prove(expr)
		p.verdicts[expr] = v
	}
	return v
}

func (p *proofs) prove(expr string) prove.Verdict {
	v, err := p.left.Within(maxProof, prove.Regex{Expr: expr})
	if err != nil || len(v.Patterns) > maxPatterns || len(printable.List(v.Patterns)) > maxProposed || isQuestionable(v.Patterns) {
		v.Patterns = nil
	}
	return v
}

// compared says how what patterns allow differs from what their regex allows.
func compared(v prove.Verdict) string {
	text := "which allows the same "
	if len(v.Patterns) > 1 {
		text = "which together allow the same "
	}
	if v.Lost == "" {
		text += "origins"
	} else {
		text += "but for origins such as " + strconv.Quote(v.Lost)
	}
	if v.Added != "" {
		text += ", and " + strconv.Quote(v.Added) + " besides"
	}
	return text
}

// isQuestionable reports whether something would be said of patterns in their turn.
func isQuestionable(patterns []string) (questionable bool) {
	s := policy.Spec{Name: "a", CORS: policy.CORS{AllowOrigins: patterns}}
	policyfile.Examine([]policy.Spec{s}, func(p policy.Problem) {
		questionable = questionable || p.Level != policy.Note && strings.HasPrefix(p.Field, "cors.allowOrigins")
	})
	return questionable
}
