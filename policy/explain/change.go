package explain

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// The fields that a remedy changes, with the policy file's names.
const (
	fieldName        = "name"
	fieldHosts       = "hosts"
	fieldPaths       = "paths"
	fieldDenied      = "deniedRequests"
	fieldMode        = "mode"
	fieldOrigins     = "cors.allowOrigins"
	fieldMethods     = "cors.allowMethods"
	fieldHeaders     = "cors.allowHeaders"
	fieldCredentials = "cors.allowCredentials"
)

// apply makes the change to s. It writes into no list that s shares.
func (c Change) apply(s *policy.Spec) {
	switch c.Field {
	case fieldName:
		s.Name = c.Set
	case fieldMode:
		s.Mode = policy.Mode(c.Set)
	case fieldCredentials:
		s.CORS.AllowCredentials = true
	case fieldDenied:
		s.DeniedRequests = policy.DeniedRequests(c.Set)
	case fieldHosts:
		c.list(&s.Hosts)
	case fieldPaths:
		c.list(&s.Paths)
	case fieldOrigins:
		c.list(&s.CORS.AllowOrigins)
	case fieldMethods:
		c.list(&s.CORS.AllowMethods)
	case fieldHeaders:
		c.list(&s.CORS.AllowHeaders)
	}
}

func (c Change) list(l *[]string) {
	if c.Only != nil {
		*l = c.Only
		return
	}
	*l = append(slices.Clip(*l), c.Add...)
}

// inCORS begins the names of the fields in a policy's cors.
const inCORS = "cors."

// InCORS reports whether the field stands in the policy's cors.
func (c Change) InCORS() bool { return strings.HasPrefix(c.Field, inCORS) }

// Line returns the change as a line of a policy file. If the policy is not fresh, "..."
// stands for the entries that its list already has.
func (c Change) Line(fresh bool) string {
	field := strings.TrimPrefix(c.Field, inCORS)
	switch {
	case c.Add != nil && fresh:
		return field + ": [" + printable.List(c.Add) + "]"
	case c.Add != nil:
		return field + ": [..., " + printable.List(c.Add) + "]"
	case c.Only != nil:
		return field + ": [" + printable.List(c.Only) + "]"
	}
	return field + ": " + c.Set
}

// changed returns the specs with r's changes. It does not change specs.
func (r *Remedy) changed(specs []policy.Spec) []policy.Spec {
	specs = slices.Clone(specs)
	i := slices.IndexFunc(specs, func(s policy.Spec) bool { return s.Name == r.Policy })
	if i < 0 {
		specs, i = append(specs, policy.Spec{}), len(specs)
	}
	for _, c := range r.Changes {
		c.apply(&specs[i])
	}
	return specs
}
