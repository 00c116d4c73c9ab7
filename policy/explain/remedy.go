package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// maxRounds bounds the search: origin, how the page writes the method, method,
// what the page leaves out, headers and credentials are one change each.
const maxRounds = 7

// remedy looks for changes that allow what t does not, and proves them. It
// changes the policy, compiles it alone, and asks it again by name, until the
// page may read. It is nil if no change of a policy helps.
func (ps Policies) remedy(a asked, t trip, origin *Origin) *Remedy {
	if t.plan.Refused != "" || a.Policy != "" && ps.spec(a.Policy) == nil {
		return nil
	}
	r, s := ps.start(a, t, origin)
	a.Policy = s.Name
	for range maxRounds {
		originless := len(s.CORS.AllowOrigins)+len(s.CORS.AllowOriginRegexes) == 0
		if !originless && try(s, a, &t) {
			return ps.judge(r, a)
		}
		if method := spelled(&s, t); method != "" {
			r.Method = method
			a.send(method)
			continue
		}
		if names := misplaced(&s, t); names != nil {
			r.Omit = names
			a.omit(names)
			continue
		}
		changes := next(&s, a, t, originless)
		if changes == nil {
			return nil
		}
		for _, c := range changes {
			c.apply(&s)
		}
		r.Changes = append(r.Changes, changes...)
	}
	return nil
}

// try reports whether there is nothing more to change: the policy allows the
// request, or it is not valid, which judge explains. Otherwise t has the result.
func try(s policy.Spec, a asked, t *trip) bool {
	valid, problems := policy.Validate([]policy.Spec{s})
	if problems.HasErrors() {
		return true
	}
	*t = runAll(policy.Compile(valid), a).telling()
	return t.allowed
}

// judge notes why the policies would not load with r's changes, or what else
// follows from the changes.
func (ps Policies) judge(r *Remedy, a asked) *Remedy {
	changed := policyfile.Examine(r.changed(ps.Set.Specs()), func(p policy.Problem) {
		if p.Level == policy.Error {
			r.Refused = append(r.Refused, p.String())
		}
	})
	slices.Sort(r.Refused)
	r.Refused = slices.Compact(r.Refused)
	if r.Refused == nil {
		r.Costs = append(r.Costs, ps.costs(r, a, changed)...)
	}
	return r
}

// spelled returns how the page should write a method that the policy denies:
// methods are case-sensitive, and browsers leave that of most alone (Fetch,
// #concept-method-normalize). Empty: as it does.
func spelled(s *policy.Spec, t trip) string {
	if t.last().Reason != policy.ReasonPreflightMethodDenied.String() {
		return ""
	}
	method, _ := t.asks.Get("Access-Control-Request-Method")
	upper := strings.ToUpper(method)
	if upper == method || upper != "PATCH" && !slices.Contains(s.CORS.AllowMethods, upper) {
		return ""
	}
	return upper
}

// misplaced returns the headers that the policy denies and that only answers
// have: a page sets them by mistake.
func misplaced(s *policy.Spec, t trip) []string {
	if t.last().Reason != policy.ReasonPreflightHeaderDenied.String() {
		return nil
	}
	var names []string
	for _, name := range missing(s, t.asks) {
		if policy.IsCORSHeader(name) {
			names = append(names, name)
		}
	}
	return names
}

// omit removes headers from the page's request.
func (a *asked) omit(names []string) {
	omitted := func(name string) bool { return slices.Contains(names, strings.ToLower(strings.Trim(name, " \t"))) }
	a.Headers = slices.DeleteFunc(slices.Clone(a.Headers), func(h browser.Header) bool { return omitted(h.Name) })
	a.copied = slices.Clone(a.copied)
	for i, h := range a.copied {
		if strings.EqualFold(h.Name, "Access-Control-Request-Headers") {
			a.copied[i].Value = strings.Join(slices.DeleteFunc(strings.Split(h.Value, ","), omitted), ",")
		}
	}
}

// send gives the page's request the method.
func (a *asked) send(method string) {
	a.Method, a.copied = method, slices.Clone(a.copied)
	for i := range a.copied {
		if strings.EqualFold(a.copied[i].Name, "Access-Control-Request-Method") {
			a.copied[i].Value = method
		}
	}
}

// start returns an empty remedy, and the policy with no other origins than the
// request's. If there is no policy, it is a new one.
func (ps Policies) start(a asked, t trip, origin *Origin) (*Remedy, policy.Spec) {
	name := cmp.Or(a.Policy, ps.choice(a).Name)
	if name == "" && t.shadow != nil {
		name = t.shadow.Name
	}
	found := ps.spec(name)
	if found == nil {
		r := &Remedy{Policy: newName(ps)}
		r.Changes = []Change{{Field: fieldName, Set: r.Policy}, {Field: fieldHosts, Add: []string{strings.ToLower(a.url.Hostname())}}}
		return r, policy.Spec{Name: r.Policy}
	}
	r, s := &Remedy{Policy: name}, *found
	if s.Mode != "" && s.Mode != policy.ModeEnforce {
		r.Changes = []Change{{Field: fieldMode, Set: string(policy.ModeEnforce)}}
		s.Mode = policy.ModeEnforce
	}
	if origin == nil {
		origin = originReport(found, a.Origin)
	}
	s.CORS.AllowOrigins, s.CORS.AllowOriginRegexes = onlyWhat(origin, found)
	return r, s
}

// onlyWhat returns the entry of s that allows the origin, if there is one.
func onlyWhat(o *Origin, s *policy.Spec) (origins, regexes []string) {
	switch {
	case !o.Allowed:
		return nil, nil
	case slices.Contains(s.CORS.AllowOrigins, o.By[0]):
		return o.By[:1], nil
	}
	return nil, o.By[:1]
}

// newName returns a name that no policy has.
func newName(ps Policies) string {
	name := "new"
	for ps.spec(name) != nil {
		name += "-policy"
	}
	return name
}

// next returns the next change, or nil if there is none. The origin comes
// first, since a policy without an origin does not compile.
func next(s *policy.Spec, a asked, t trip, originless bool) []Change {
	last := t.last()
	switch {
	case originless, last.Reason == policy.ReasonPreflightOriginDenied.String(),
		last.Reason == policy.ReasonRequestOriginDenied.String(), last.Reason == policy.ReasonRequestBlocked.String():
		return addOrigin(s, a)
	case last.Reason == policy.ReasonPreflightMethodDenied.String():
		return addNames(fieldMethods, []string{t.plan.Method})
	case last.Reason == policy.ReasonPreflightHeaderDenied.String():
		return addNames(fieldHeaders, missing(s, t.asks))
	case a.Credentials == browser.Include && !s.CORS.AllowCredentials:
		return allowCredentials(s, a)
	}
	return nil
}

// addNames adds names to a list, unless "*" is among them: in a list it would
// mean all names.
func addNames(field string, names []string) []Change {
	if slices.Contains(names, "*") {
		return nil
	}
	return []Change{{Field: field, Add: names}}
}

// addOrigin adds the page's origin, if a policy can list it.
func addOrigin(s *policy.Spec, a asked) []Change {
	if _, err := policy.ParseOrigin(a.Origin); err != nil || slices.Contains(s.CORS.AllowOrigins, a.Origin) {
		return nil
	}
	return []Change{{Field: fieldOrigins, Add: []string{a.Origin}}}
}

// allowCredentials allows credentials, and replaces "*", which excludes them.
func allowCredentials(s *policy.Spec, a asked) []Change {
	changes := []Change{{Field: fieldCredentials, Set: "true"}}
	if slices.Contains(s.CORS.AllowOrigins, "*") {
		changes = append(changes, Change{Field: fieldOrigins, Only: []string{a.Origin}})
	}
	return changes
}

// missing returns the names that a preflight asks for and s does not allow.
func missing(s *policy.Spec, preflight browser.Headers) (names []string) {
	star := slices.Contains(s.CORS.AllowHeaders, "*")
	for _, name := range requestedNames(preflight) {
		starred := star && policy.StarCoversHeader(name, s.CORS.AllowCredentials)
		listed := name != "*" && slices.Contains(s.CORS.AllowHeaders, name)
		if !starred && !listed && !policy.IsForbiddenRequestHeader(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
