package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
)

// costs says what others lose by r's changes. changed are the policies with these.
func (ps Policies) costs(r *Remedy, a asked, changed *policy.Valid) (list []string) {
	if r.rescopes() {
		return ps.losses(changed, a.Origin)
	}
	// "*" does not go with credentials (Fetch, #cors-protocol-and-credentials).
	if slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Only != nil }) {
		list = append(list, "all other origins lose access, as * does not go with credentials: "+
			"a policy of its own for the path keeps theirs, and a page that needs no cookie there writes credentials: 'omit' instead")
	}
	return list
}

// rescopes reports whether another policy decides than before. All other changes only
// add, except those of a "*".
func (r *Remedy) rescopes() bool {
	return slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Field == fieldName || c.Field == fieldMode })
}

// losses compares the policies with the changed ones.
func (ps Policies) losses(changed *policy.Valid, origin string) (list []string) {
	c := policydiff.New(ps.Set, policy.Compile(changed))
	c.Probe()
	for _, change := range c.Report().Changes {
		if text := loss(change, origin); text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// loss says what origins other than this one lose by a change. It is empty if they lose
// nothing.
func loss(c policydiff.Change, origin string) string {
	others := slices.DeleteFunc(slices.Clone(c.Examples), func(o string) bool { return o == origin })
	switch {
	case len(others) == 0 || len(c.Lost) == 0:
		return ""
	case slices.Contains(c.Lost, policydiff.GrantUpstream):
		return "the upstream's own CORS headers no longer stay: list the other origins that it allows, too"
	}
	return fmt.Sprintf("other origins lose what policy %s allows them where policy %s decides now (%s), such as %s", c.OldPolicy, c.NewPolicy, strings.Join(c.Lost, ", "), others[0])
}
