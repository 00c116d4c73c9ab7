package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// maxRounds bounds the search: origin, method, headers, credentials and mode
// are one change each.
const maxRounds = 6

// remedy looks for the changes that allow what t could not, and proves them: a
// policy that has only what the request needs is changed, compiled, and asked
// again until the page may read. It is nil when nothing in a policy would help.
func (ps Policies) remedy(a asked, t trip, origin *Origin) *Remedy {
	if t.plan.Refused != "" || a.Policy != "" && ps.spec(a.Policy) == nil {
		return nil
	}
	s := ps.start(a, t, origin)
	r := &Remedy{Policy: s.Name}
	if ps.spec(s.Name) == nil {
		r.Changes = []Change{{Field: "name", Set: s.Name}, {Field: "hosts", Add: s.Hosts}}
	}
	s.Hosts, s.Paths, a.Policy = nil, nil, s.Name
	if s.Mode != "" {
		r.Changes, s.Mode = append(r.Changes, Change{Field: "mode", Set: string(policy.ModeEnforce)}), ""
	}
	for range maxRounds {
		set, err := policy.Compile([]policy.Spec{s})
		if problems, ok := err.(policy.Problems); ok && len(s.CORS.AllowOrigins) > 0 {
			r.Refused = reasons(problems)
			return r
		}
		if err == nil {
			if t = run(set, a); t.allowed {
				return r
			}
		}
		if !r.change(&s, a, t, err != nil) {
			return nil
		}
	}
	return nil
}

// start returns what of the policy matters to the request, or a new policy
// where there is none.
func (ps Policies) start(a asked, t trip, origin *Origin) policy.Spec {
	name := a.Policy
	if last := t.last(); name == "" && last != nil {
		name = ps.choice(a).Name
	}
	if name == "" && t.shadow != nil {
		name = t.shadow.Name
	}
	found := ps.spec(name)
	if found == nil {
		return policy.Spec{Name: newName(ps), Hosts: []string{strings.ToLower(a.url.Hostname())}}
	}
	s := *found
	s.CORS.AllowOrigins, s.CORS.AllowOriginRegexes = nil, nil
	if origin == nil {
		origin = originReport(found, a.Origin)
	}
	if origin.Allowed && slices.Contains(found.CORS.AllowOrigins, origin.By[0]) {
		s.CORS.AllowOrigins = origin.By[:1]
	} else if origin.Allowed {
		s.CORS.AllowOriginRegexes = origin.By[:1]
	}
	return s
}

// newName returns a name that no policy has.
func newName(ps Policies) string {
	name := "new"
	for ps.spec(name) != nil {
		name += "-policy"
	}
	return name
}

// change makes the next change to s and notes it; it is false when there is
// none. Without an origin s does not compile.
func (r *Remedy) change(s *policy.Spec, a asked, t trip, originless bool) bool {
	last := t.last()
	switch {
	case originless, last.Reason == policy.ReasonPreflightOriginDenied.String(),
		last.Reason == policy.ReasonRequestOriginDenied.String(), last.Reason == policy.ReasonRequestBlocked.String():
		return r.addOrigin(s, a)
	case last.Reason == policy.ReasonPreflightMethodDenied.String():
		r.add("cors.allowMethods", &s.CORS.AllowMethods, t.plan.Method)
	case last.Reason == policy.ReasonPreflightHeaderDenied.String():
		r.add("cors.allowHeaders", &s.CORS.AllowHeaders, missing(s, t.plan.Unsafe)...)
	case a.Credentials == browser.Include && !s.CORS.AllowCredentials:
		r.allowCredentials(s, a)
	default:
		return false
	}
	return true
}

// addOrigin adds the page's origin, unless it is none that could be listed.
func (r *Remedy) addOrigin(s *policy.Spec, a asked) bool {
	if _, err := policy.ParseOrigin(a.Origin); err != nil || slices.Contains(s.CORS.AllowOrigins, a.Origin) {
		return false
	}
	r.add("cors.allowOrigins", &s.CORS.AllowOrigins, a.Origin)
	return true
}

func (r *Remedy) allowCredentials(s *policy.Spec, a asked) {
	s.CORS.AllowCredentials = true
	r.Changes = append(r.Changes, Change{Field: "cors.allowCredentials", Set: "true"})
	if slices.Contains(s.CORS.AllowOrigins, "*") {
		s.CORS.AllowOrigins = []string{a.Origin}
		r.Changes = append(r.Changes, Change{Field: "cors.allowOrigins", Set: "[" + a.Origin + "]"})
	}
}

func (r *Remedy) add(field string, list *[]string, values ...string) {
	*list = append(slices.Clip(*list), values...)
	r.Changes = append(r.Changes, Change{Field: field, Add: values})
}

// missing returns the names that s does not allow, by asking for each alone.
func missing(s *policy.Spec, headers []browser.Unsafe) (names []string) {
	star := slices.Contains(s.CORS.AllowHeaders, "*")
	for _, u := range headers {
		starred := star && (u.Name != "authorization" || s.CORS.AllowCredentials)
		if !starred && !slices.Contains(s.CORS.AllowHeaders, u.Name) {
			names = append(names, u.Name)
		}
	}
	return names
}

func reasons(ps policy.Problems) (list []string) {
	for _, p := range ps {
		if p.Level == policy.Error {
			list = append(list, p.String())
		}
	}
	return slices.Compact(slices.SortedStableFunc(slices.Values(list), cmp.Compare))
}
