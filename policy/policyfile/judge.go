package policyfile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// judge adds what the rules say of the policies. What it returns is nil if they refuse
// them; there are no memos if there is nothing to judge.
func (l *loader) judge(memos []*policy.Memo) *policy.Valid {
	if len(memos) == 0 {
		l.checkAny()
		return examine(nil, nil)
	}
	unsure := l.anyBroken()
	report := func(p policy.Problem) {
		src := l.policies[p.Spec]
		src.told = true
		follows := src.broken && followsFromBroken[p.Code] || unsure && p.Code == "policy-overlap"
		if !follows {
			l.addProblem(p, src)
		}
	}
	valid := examine(memos, report)
	for _, p := range l.policies {
		if !p.told && !p.grouped {
			p.forgetOrigins()
		}
	}
	return valid
}

// Examine is policy.Examine with the rules of this package besides: it reports
// what all of them say of specs, problem by problem, and returns nil if one is an
// error.
func Examine(specs []policy.Spec, report func(policy.Problem)) *policy.Valid {
	memos := make([]*policy.Memo, len(specs))
	for i := range specs {
		memos[i] = newMemo(specs[i])
	}
	return examine(memos, report)
}

// newMemo returns a Memo that has the rules of this package, too.
func newMemo(s policy.Spec) *policy.Memo { return policy.NewMemo(s, checkList) }

// examine is Examine for specs that may have been examined before.
func examine(memos []*policy.Memo, report func(policy.Problem)) *policy.Valid {
	regexes := regexFindings{}
	more := func(p policy.Problem) {
		regexes.note(p)
		report(p)
	}
	return policy.ExamineMemos(memos, more, func(p policy.Problem) {
		if !regexes.cover(p) {
			report(p)
		}
	})
}

// anyBroken reports whether something in any policy could not be read.
func (l *loader) anyBroken() bool {
	return l.left || slices.ContainsFunc(l.policies, func(p *judged) bool { return p.broken })
}

// followsFromBroken are the codes of problems that a policy may have only
// because something else in it could not be read.
var followsFromBroken = map[string]bool{
	"name-missing": true, "origins-missing": true, "opt-in-unused": true, "post-always-allowed": true,
}

func (l *loader) addProblem(p policy.Problem, src *judged) {
	at, field, g := src.locate(p.Field)
	if l.found.isBroken(at) {
		return
	}
	d := Diagnostic{
		File: at.file, Line: int(at.at.line), Column: int(at.at.col),
		Level: p.Level, Code: p.Code, Field: field, Value: p.Value, Reason: p.Reason, Hint: withPunycode(p),
	}
	if g == nil {
		l.found.add(d, d)
		return
	}
	if _, err := policy.ParsePattern(p.Value); err == nil {
		d.Reason += fmt.Sprintf(" (policy %q)", clip(src.spec.Name))
	}
	// A member has each of its problems once, whatever policies use it.
	l.found.add(d, Diagnostic{File: d.File, Line: d.Line, Column: d.Column, Code: d.Code})
}

// checkAny warns of files without any policy.
func (l *loader) checkAny() {
	if l.found.any() || l.partial {
		return
	}
	l.add(l.shown(l.first), top, Diagnostic{Level: policy.Warning, Code: "no-policies", Reason: "no file has a policy", Hint: "nothing is decided until one has"})
}

// checkMembers looks at the origins of a group that no policy uses, unless
// another group has them.
func (l *loader) checkMembers(g *group) {
	if g.listed || g.fine {
		return
	}
	g.fine = true
	for i, text := range g.texts {
		_, err := policy.ParsePattern(text)
		bad := (*policy.PatternError)(nil)
		if !errors.As(err, &bad) {
			continue
		}
		g.fine = false
		if l.found.isBroken(spot{g.file, g.at(i)}) {
			continue
		}
		p := policy.Problem{Code: bad.Code, Value: bad.Value, Hint: bad.Hint}
		l.add(g.file, g.at(i), Diagnostic{
			Code: bad.Code, Field: item("originGroups."+g.name, i), Value: bad.Value, Reason: bad.Reason, Hint: withPunycode(p),
		})
	}
}
