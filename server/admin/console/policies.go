package console

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
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
	// Chosen says which policy decides about the URL if one was looked for. Readings says
	// that its path can be read in more than one way, and that policies of each decide.
	Chosen   string  `json:"chosen,omitempty"`
	Readings bool    `json:"readings,omitempty"`
	Policies []entry `json:"policies"`
	// From is the place of the first of them among those that were found, More counts those
	// that come after this page, and All the policies that serve.
	From int `json:"from,omitempty"`
	More int `json:"more"`
	All  int `json:"all"`
	// Error says why nothing was looked for.
	Error string `json:"error,omitempty"`

	before int // how many come before this page
}

// PerPage is of how many entries at most the unused ones are counted.
func (found) PerPage() int { return perPage }

// Next is the address of the next page, as long as there is More.
func (f found) Next() string {
	return "/console/policies?" + url.Values{"url": {f.Search.URL}, "origin": {f.Search.Origin}, "from": {strconv.Itoa(f.From + len(f.Policies))}}.Encode()
}

// entry is a policy in a list.
type entry struct {
	Name    string   `json:"name"`
	Mode    string   `json:"mode"`
	Hosts   []string `json:"hosts,omitempty"` // empty: every host
	Paths   []string `json:"paths,omitempty"` // empty: every path
	Origins int      `json:"origins"`
	// Unused counts the entries that are called unused. It is nil if that is not known, as
	// Use says, or if there are more than perPage entries.
	Unused *int  `json:"unused,omitempty"`
	Use    known `json:"use"`
	// Credentials and Methods are what allowed origins may use besides GET, HEAD and POST.
	Credentials bool     `json:"credentials"`
	Methods     []string `json:"methods,omitempty"`
	// Reason is what a GET of the origin gets if one was looked for, and Allowed whether
	// its page may read the answer. A policy in shadow is asked as if it were enforced.
	Reason  string `json:"reason,omitempty"`
	Allowed bool   `json:"allowed,omitempty"`
	// Left says that this is left to the upstream.
	Left bool `json:"left,omitempty"`

	spec *policy.Spec
}

func newEntry(s *policy.Spec) entry {
	mode := s.Mode
	if mode == "" {
		mode = policy.ModeEnforce
	}
	return entry{
		Name: s.Name, Mode: string(mode), Hosts: s.Hosts, Paths: s.Paths,
		Origins:     entriesOf(s),
		Credentials: s.CORS.AllowCredentials, Methods: s.CORS.AllowMethods,
		spec: s,
	}
}

// entriesOf counts the entries that allow origins.
func entriesOf(s *policy.Spec) int { return len(s.CORS.AllowOrigins) + len(s.CORS.AllowOriginRegexes) }

func (c *Console) policies(w http.ResponseWriter, r *http.Request) {
	set := c.Set()
	if set == nil {
		c.fail(w, r, http.StatusServiceUnavailable, errNoPolicies.Error())
		return
	}
	q := search{URL: strings.TrimSpace(r.FormValue("url")), Origin: strings.TrimSpace(r.FormValue("origin"))}
	asks, err := q.request()
	if err != nil {
		c.show(w, r, http.StatusBadRequest, "policies", "Policies", found{Search: q, Policies: []entry{}, All: len(set.Specs()), Error: err.Error()})
		return
	}
	f := found{Search: q, Policies: []entry{}, All: len(set.Specs()), From: placeOfPage(r)}
	if c.work(w, r, func() { f.find(set, asks); c.countUnused(f.Policies) }) {
		c.show(w, r, http.StatusOK, "policies", "Policies", f)
	}
}

// request returns the request that q is about. A page is taken for its origin. The error
// says what to write.
func (q search) request() (r policy.Request, err error) {
	r = policy.Request{Method: http.MethodGet, Origin: nobody}
	if q.URL != "" {
		if r.Authority, r.Path, err = explain.Place(withScheme(q.URL)); err != nil {
			return r, err
		}
	}
	if q.Origin == "" {
		return r, nil
	}
	if r.Origin = cmp.Or(explain.PageOrigin(q.Origin), q.Origin); r.Origin == "null" {
		return r, nil
	}
	if _, err := policy.ParseOrigin(r.Origin); err != nil {
		return r, fmt.Errorf("no browser sends the origin %q, write it as in https://app.example.com", q.Origin)
	}
	return r, nil
}

// find looks for the policies that decide about the URL, in force or in shadow, or else for
// those that allow the origin. Of those of the URL it shows what they say of the origin.
func (f *found) find(set *policy.Set, asks policy.Request) {
	q := f.Search
	var d policy.Decision
	if q.URL != "" {
		d = set.Decide(&asks)
		_, others, tooMany := policy.ReadPath(asks.Path)
		f.Chosen, f.Readings = d.Policy, len(others) > 0 || tooMany
	}
	specs := set.Specs()
	for i := range specs {
		e, fits := newEntry(&specs[i]), true
		switch {
		case q.URL == "":
			e.take(q, ask(set, e.Name, asks.Origin))
			fits = q.Origin == "" || e.Allowed
		case e.Name == d.Policy:
			e.take(q, &d.Verdict)
		case e.Name == d.Shadow.Policy:
			e.take(q, &d.Shadow)
		default:
			fits = false
		}
		f.add(e, fits)
	}
}

// countUnused counts the unused entries of the policies that a page has. It leaves out
// policies of many entries, which would take long.
func (c *Console) countUnused(page []entry) {
	for i := range page {
		e := &page[i]
		k, use := c.use(e.spec)
		if e.Use = k; k.Doubt == "" && e.Origins <= perPage {
			n := newDetail(e.spec, 0, k, use).unused()
			e.Unused = &n
		}
	}
}

// add adds a policy that fits, as long as there is room.
func (f *found) add(e entry, fits bool) {
	switch {
	case !fits:
	case f.before < f.From:
		f.before++
	case len(f.Policies) == maxFound:
		f.More++
	default:
		f.Policies = append(f.Policies, e)
	}
}

// nobody is an origin that nobody has (RFC 2606).
const nobody = "https://corsgate.invalid"

// placeOfPage returns where a page of a list begins; what is not a number is the beginning.
func placeOfPage(r *http.Request) int {
	from, _ := strconv.Atoi(r.FormValue("from"))
	return max(from, 0)
}

// withScheme returns a URL as people write it with its scheme. A path alone has no host, and
// stays as it is.
func withScheme(text string) string {
	if text == "" || text[0] == '/' || strings.Contains(text, "://") {
		return text
	}
	return "https://" + text
}

// ask asks a policy about a GET of the origin, wherever it goes.
func ask(set *policy.Set, name, origin string) *policy.Verdict {
	d := set.Decide(&policy.Request{Policy: name, Method: http.MethodGet, Origin: origin})
	if d.Shadow.Policy == name {
		return &d.Shadow
	}
	return &d.Verdict
}

// take takes what is said of the origin if one was looked for.
func (e *entry) take(q search, v *policy.Verdict) {
	if q.Origin == "" {
		return
	}
	e.Reason = v.Reason.String()
	e.Allowed = v.Reason.Allows() || v.Reason == policy.ReasonSameOrigin
	e.Left = !e.Allowed && !v.Reason.Denies()
}
