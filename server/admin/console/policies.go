package console

import (
	"net/http"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// maxFound is how many policies a search shows.
const maxFound = 200

// search is what was looked for.
type search struct {
	// URL is a host with or without a path; a scheme before it does not matter.
	URL string `json:"url,omitempty"`
	// Origin is a page's.
	Origin string `json:"origin,omitempty"`
}

// found are the policies that a search found.
type found struct {
	Search search `json:"search"`
	// Chosen says which policy decides about the URL if one was looked for.
	Chosen   string  `json:"chosen,omitempty"`
	Policies []entry `json:"policies"`
	// More counts those that were found and are not shown, and All the policies that serve.
	More int `json:"more"`
	All  int `json:"all"`
}

// entry is a policy in a list.
type entry struct {
	Name    string   `json:"name"`
	Mode    string   `json:"mode"`
	Hosts   []string `json:"hosts,omitempty"` // empty: every host
	Paths   []string `json:"paths,omitempty"` // empty: every path
	Origins int      `json:"origins"`
	// Credentials and Methods are what allowed origins may use besides GET, HEAD and POST.
	Credentials bool     `json:"credentials"`
	Methods     []string `json:"methods,omitempty"`
	// Reason is what a GET of the origin gets if one was looked for, and Allowed whether
	// its page may read the answer. A policy in shadow is asked as if it were enforced.
	Reason  string `json:"reason,omitempty"`
	Allowed bool   `json:"allowed,omitempty"`
}

func newEntry(s *policy.Spec) entry {
	mode := s.Mode
	if mode == "" {
		mode = policy.ModeEnforce
	}
	return entry{
		Name: s.Name, Mode: string(mode), Hosts: s.Hosts, Paths: s.Paths,
		Origins:     len(s.CORS.AllowOrigins) + len(s.CORS.AllowOriginRegexes),
		Credentials: s.CORS.AllowCredentials, Methods: s.CORS.AllowMethods,
	}
}

func (c *Console) policies(w http.ResponseWriter, r *http.Request) {
	set := c.Set()
	if set == nil {
		c.fail(w, r, http.StatusServiceUnavailable, errNoPolicies.Error())
		return
	}
	q := search{URL: strings.TrimSpace(r.FormValue("url")), Origin: strings.TrimSpace(r.FormValue("origin"))}
	var f found
	if c.work(w, r, func() { f = find(set, q) }) {
		c.show(w, r, http.StatusOK, "policies", "Policies", f)
	}
}

// find looks for the policies that decide about the URL, in force or in shadow, and allow the
// origin. If both are given, it shows what the policies of the URL say of the origin.
func find(set *policy.Set, q search) found {
	f := found{Search: q, Policies: []entry{}, All: len(set.Specs())}
	chosen, chosenShadow := q.chosen(set)
	f.Chosen = chosen
	specs := set.Specs()
	for i := range specs {
		s := &specs[i]
		if q.URL != "" && s.Name != chosen && s.Name != chosenShadow {
			continue
		}
		e := newEntry(s)
		if q.Origin != "" {
			e.ask(set, q.Origin)
		}
		switch {
		case q.Origin != "" && q.URL == "" && !e.Allowed:
		case len(f.Policies) == maxFound:
			f.More++
		default:
			f.Policies = append(f.Policies, e)
		}
	}
	return f
}

// chosen returns the policies that decide about the URL.
func (q search) chosen(set *policy.Set) (enforced, shadow string) {
	if q.URL == "" {
		return "", ""
	}
	host, path, _ := strings.Cut(withoutScheme(q.URL), "/")
	// The path's query does not choose, and an origin that no policy allows chooses as any.
	d := set.Decide(&policy.Request{Method: http.MethodGet, Authority: host, Path: "/" + path, Origin: nobody})
	return d.Policy, d.Shadow.Policy
}

// nobody is an origin that nobody has (RFC 2606).
const nobody = "https://corsgate.invalid"

func withoutScheme(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		return rest
	}
	return url
}

// ask asks the policy about a GET of the origin.
func (e *entry) ask(set *policy.Set, origin string) {
	d := set.Decide(&policy.Request{Policy: e.Name, Method: http.MethodGet, Origin: origin})
	v := d.Verdict
	if d.Shadow.Policy == e.Name {
		v = d.Shadow
	}
	e.Reason, e.Allowed = v.Reason.String(), v.Reason.Allows()
}
