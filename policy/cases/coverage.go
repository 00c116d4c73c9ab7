package cases

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// MaxUnexercised is how many values an Unexercised keeps.
const MaxUnexercised = 20

// Unexercised is a policy, or entries of one of its lists, that no case is
// about.
type Unexercised struct {
	Policy string `json:"policy"`
	// Field is the list, with the policy file's name; empty: the whole policy.
	Field string `json:"field,omitempty"`
	// Values are the first MaxUnexercised entries, and Count is how many.
	Values []string `json:"values,omitempty"`
	Count  int      `json:"count,omitempty"`
}

// Coverage collects what of policies cases exercise. It is not safe for
// concurrent use.
type Coverage struct {
	specs []policy.Spec
	seen  map[string]*exercise // :: policy
}

// exercise is what a policy was asked about.
type exercise struct {
	origins, methods, headers map[string]bool
}

// NewCoverage returns the coverage of the policies of set; nil has none.
func NewCoverage(set *policy.Set) *Coverage {
	c := &Coverage{seen: map[string]*exercise{}}
	if set != nil {
		c.specs = set.Specs()
	}
	return c
}

// Add enters a request and what was decided of it.
func (c *Coverage) Add(r policy.Request, d policy.Decision) {
	c.add(r, d.Preflight, d.Policy)
	c.add(r, d.Preflight, d.Shadow.Policy)
}

func (c *Coverage) add(r policy.Request, preflight bool, name string) {
	if name == "" {
		return
	}
	e := c.seen[name]
	if e == nil {
		e = &exercise{origins: map[string]bool{}, methods: map[string]bool{}, headers: map[string]bool{}}
		c.seen[name] = e
	}
	if r.Origin != "" {
		e.origins[r.Origin] = true
	}
	if !preflight {
		e.methods[r.Method] = r.Origin != "" || e.methods[r.Method]
		return
	}
	e.methods[r.RequestMethod] = true
	for header := range strings.SplitSeq(r.RequestHeaders, ",") {
		e.headers[strings.ToLower(strings.Trim(header, " \t"))] = true
	}
	delete(e.headers, "")
}

// Unexercised returns what no request was about, in the order of the policies.
// An origin entry is exercised by an origin that it matches, a method by a
// request or a preflight for it, a header by a preflight, and a star by a name
// that only it allows. The JSON of the list is a list in any case.
func (c *Coverage) Unexercised() []Unexercised {
	list := []Unexercised{}
	for i := range c.specs {
		s := &c.specs[i]
		e := c.seen[s.Name]
		if e == nil {
			list = append(list, Unexercised{Policy: s.Name})
			continue
		}
		list = append(list, e.missed(s)...)
	}
	return list
}

func (e *exercise) missed(s *policy.Spec) []Unexercised {
	var list []Unexercised
	knownMethod := func(m string) bool { return policy.IsSafelistedMethod(m) || slices.Contains(s.CORS.AllowMethods, m) }
	knownHeader := func(h string) bool { return slices.Contains(s.CORS.AllowHeaders, h) }
	for _, part := range []struct {
		field   string
		entries []string
		hit     func(string) bool
	}{
		{"cors.allowOrigins", s.CORS.AllowOrigins, e.hasOrigin},
		{"cors.allowOriginRegexes", s.CORS.AllowOriginRegexes, e.hasMatch},
		{"cors.allowMethods", s.CORS.AllowMethods, func(m string) bool { return has(e.methods, m, knownMethod) }},
		{"cors.allowHeaders", s.CORS.AllowHeaders, func(h string) bool { return has(e.headers, h, knownHeader) }},
	} {
		u := Unexercised{Policy: s.Name, Field: part.field}
		for _, entry := range part.entries {
			if part.hit(entry) {
				continue
			}
			if u.Count++; u.Count <= MaxUnexercised {
				u.Values = append(u.Values, entry)
			}
		}
		if u.Count > 0 {
			list = append(list, u)
		}
	}
	return list
}

// hasOrigin reports whether an origin was asked about that an entry of
// allowOrigins matches.
func (e *exercise) hasOrigin(entry string) bool {
	if e.origins[entry] || !strings.Contains(entry, "*") {
		return e.origins[entry]
	}
	p, err := policy.ParsePattern(entry)
	if err != nil {
		return false
	}
	return e.anyOrigin(func(o policy.Origin, _ string) bool { return p.Matches(o) })
}

// hasMatch is hasOrigin for a regex.
func (e *exercise) hasMatch(expr string) bool {
	re, err := policy.CompileRegex(expr)
	return err == nil && e.anyOrigin(func(o policy.Origin, text string) bool { return !o.Anybodys() && re.MatchString(text) })
}

func (e *exercise) anyOrigin(matches func(o policy.Origin, text string) bool) bool {
	for text := range e.origins {
		if o, err := policy.ParseOrigin(text); err == nil && matches(o, text) {
			return true
		}
	}
	return false
}

// has reports whether entry was asked for; for a star, whether a name was that is
// not known without it.
func has(asked map[string]bool, entry string, known func(string) bool) bool {
	if entry != "*" {
		return asked[entry]
	}
	for name, was := range asked {
		if was && !known(name) {
			return true
		}
	}
	return false
}
