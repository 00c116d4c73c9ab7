package policyfile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// judge adds what the rules say of specs, which are those of l.policies.
func (l *loader) judge(specs []policy.Spec) {
	if len(specs) == 0 {
		l.checkAny()
		return
	}
	problems := policy.Validate(specs)
	for i := range problems {
		problems[i].Hint = withPunycode(problems[i])
	}
	problems = dropFollowing(append(problems, checkLists(specs)...))
	members := map[memberFinding]int{}
	unsure := l.anyBroken()
	for _, p := range problems {
		src := l.policies[p.Spec]
		follows := src.broken && followsFromBroken[p.Code] || unsure && p.Code == "policy-overlap"
		if !follows {
			l.addProblem(p, src, members)
		}
	}
}

// anyBroken reports whether something in any policy could not be read.
func (l *loader) anyBroken() bool {
	return slices.ContainsFunc(l.policies, func(p *source) bool { return p.broken })
}

// followsFromBroken are the codes of problems that a policy may have only
// because something else in it could not be read.
var followsFromBroken = map[string]bool{
	"name-missing": true, "origins-missing": true, "opt-in-unused": true, "post-always-allowed": true,
}

// memberFinding is a problem of a group's member, whatever policies use it.
type memberFinding struct {
	at   spot
	code string
}

func (l *loader) addProblem(p policy.Problem, src *source, members map[memberFinding]int) {
	at, field, g := src.locate(p.Field)
	if l.broken[at] {
		return
	}
	d := Diagnostic{Level: p.Level, Code: p.Code, Field: field, Value: p.Value, Reason: p.Reason, Hint: p.Hint}
	if g == nil {
		l.add(at.file, at.at, d)
		return
	}
	if _, err := policy.ParsePattern(p.Value); err == nil {
		d.Reason += fmt.Sprintf(" (policy %q)", src.spec.Name)
	}
	key := memberFinding{at, p.Code}
	first, seen := members[key]
	switch {
	case !seen:
		members[key] = len(l.found)
		l.add(at.file, at.at, d)
	case d.Level < l.found[first].Level:
		l.found[first].Level, l.found[first].Reason, l.found[first].Hint = d.Level, d.Reason, d.Hint
	}
}

// checkAny warns of files without any policy.
func (l *loader) checkAny() {
	if len(l.found) > 0 || l.partial {
		return
	}
	l.add(l.shown(l.first), top, Diagnostic{Level: policy.Warning, Code: "no-policies", Reason: "no file has a policy", Hint: "nothing is decided until one has"})
}

// checkMembers looks at the origins of a group that no policy uses.
func (l *loader) checkMembers(g *group) {
	for i, text := range g.members {
		_, err := policy.ParsePattern(text)
		bad := (*policy.PatternError)(nil)
		if !errors.As(err, &bad) || l.broken[spot{g.file, g.at(i)}] {
			continue
		}
		p := policy.Problem{Code: bad.Code, Value: bad.Value, Hint: bad.Hint}
		l.add(g.file, g.at(i), Diagnostic{
			Code: bad.Code, Field: item("originGroups."+g.name, i), Value: bad.Value, Reason: bad.Reason, Hint: withPunycode(p),
		})
	}
}
