package policyfile

import (
	"regexp/syntax"

	"github.com/corsgate/corsgate/policy/internal/retree"
)

// regexSize returns the size of all regexes of p, see the function. If they are longer
// than most, it is not the whole size.
func (p *judged) regexSize(most int) int {
	if p.regexes > 0 {
		return p.regexes
	}
	size := 0
	for _, expr := range p.spec.CORS.AllowOriginRegexes {
		if size += regexSize(expr, most-size); size > most {
			return size
		}
	}
	p.regexes = size
	return size
}

// regexSize returns how much memory a regex takes, in characters: those that are
// written, and those that it has with each repetition written out. If it is
// longer than most, it is not looked at.
func regexSize(expr string, most int) int {
	if len(expr) > most {
		return len(expr)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return len(expr) // policy.Validate says so
	}
	return len(expr) + retree.Size(tree)
}
