package importer

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// optInOf are the opt-ins that lift a refusal :: code of the problem.
var optInOf = map[string]policy.OptIn{
	"regex-opt-in":              policy.OptInOriginRegex,
	"origin-null":               policy.OptInNullOrigin,
	"star-with-credentials":     policy.OptInAnyOriginWithCredentials,
	"any-host-with-credentials": policy.OptInAnyOriginWithCredentials,
	"regex-with-credentials":    policy.OptInAnyOriginWithCredentials,
	"public-suffix":             policy.OptInPublicSuffix,
	"insecure-origin":           policy.OptInInsecureOrigins,
	"private-network-access":    policy.OptInPrivateNetworkAccess,
}

// optIns writes the opt-ins without which the policy would be refused. The source does all
// of that today, and to leave it out would break pages in silence.
func (t *translation) optIns() {
	if t.spec.Mode == policy.ModeOff {
		t.off()
		return
	}
	for {
		refused := t.refused()
		if len(refused) == 0 {
			return
		}
		for _, p := range refused {
			t.optIn(p)
		}
	}
}

// off opts in without a word: a policy that is off grants nothing.
func (t *translation) off() {
	for refused := t.refused(); len(refused) > 0; refused = t.refused() {
		for _, p := range refused {
			if o := optInOf[p.Code]; !t.spec.OptsIn(o) {
				t.spec.Dangerously = append(t.spec.Dangerously, o)
			}
		}
	}
}

// refused returns the errors that an opt-in lifts.
func (t *translation) refused() (all []policy.Problem) {
	s := t.spec
	s.Name = "a"
	policyfile.Examine([]policy.Spec{s}, func(p policy.Problem) {
		if o, known := optInOf[p.Code]; known && p.Level == policy.Error && !s.OptsIn(o) {
			all = append(all, p)
		}
	})
	return all
}

// optInAt is an opt-in that an entry needs.
type optInAt struct {
	policy.OptIn
	at source.Text
}

// optIn writes the opt-in that lifts p, and tells what it lets whom do.
func (t *translation) optIn(p policy.Problem) {
	o := optInOf[p.Code]
	if !t.spec.OptsIn(o) {
		t.spec.Dangerously = append(t.spec.Dangerously, o)
	}
	if p.Code == "regex-opt-in" || p.Code == "regex-with-credentials" {
		return // the regex itself is told
	}
	if t.asked[optInAt{o, t.at[p.Value]}] {
		return // another pattern of the same entry
	}
	t.asked[optInAt{o, t.at[p.Value]}] = true
	at, known := t.at[p.Value]
	if !known {
		at = source.Text{Text: p.Value}
	}
	message := p.Reason
	if p.Value == "*" {
		message += `; only "null" is no longer allowed`
	}
	field, _, _ := strings.Cut(strings.TrimPrefix(p.Field, "cors."), "[")
	hint, _, _ := strings.Cut(p.Hint, ", or list ")
	t.tell(source.Decide, at, field, fmt.Sprintf("%s; the source does that today, so it is kept, with the opt-in %s", message, o), "better: "+hint+", and remove the opt-in")
}
