package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/denied"
)

// deniedList is what was denied: the policies in force come before those in shadow, whose
// denials change nothing, and of both the ones that deny most come first.
type deniedList struct {
	Policies []deniedPolicy `json:"policies"`
	// Untracked counts the denials of policies that are not listed.
	Untracked uint64 `json:"untracked"`
}

// deniedPolicy is denied.Policy, with more of its origins.
type deniedPolicy struct {
	Policy  string         `json:"policy"`
	Shadow  bool           `json:"shadow,omitempty"`
	Denied  uint64         `json:"denied"`
	Origins []deniedOrigin `json:"origins"`
}

func (p deniedPolicy) compare(other deniedPolicy) int {
	switch {
	case p.Shadow == other.Shadow:
		return cmp.Compare(other.Denied, p.Denied)
	case p.Shadow:
		return 1
	}
	return -1
}

// deniedOrigin is a denied origin.
type deniedOrigin struct {
	denied.Origin
	// Opens says what Allow would open; it is empty if there is no Allow.
	Opens string `json:"opens,omitempty"`
	// Try is the page that says what would allow it, for an operator who wants to know that
	// even of a stranger. It is empty if not all of what was asked is known.
	Try string `json:"try,omitempty"`
}

// Preflight reports whether a preflight was denied. What else it asks for is not known.
func (d deniedOrigin) Preflight() bool { return strings.HasPrefix(d.Reason, "preflight_") }

func (c *Console) denied(w http.ResponseWriter, r *http.Request) {
	var list deniedList
	if c.work(w, r, func() { list = c.deniedList() }) {
		c.show(w, r, http.StatusOK, "denied", "Denied", list)
	}
}

func (c *Console) deniedList() deniedList {
	from := c.Denied()
	specs := c.specs()
	list := deniedList{Policies: []deniedPolicy{}, Untracked: from.Untracked}
	for _, p := range from.Policies {
		spec := specs[p.Policy]
		with := deniedPolicy{Policy: p.Policy, Shadow: spec != nil && spec.Mode == policy.ModeShadow, Denied: p.Denied, Origins: []deniedOrigin{}}
		for _, o := range p.Origins {
			with.Origins = append(with.Origins, newDenied(spec, o))
		}
		list.Policies = append(list.Policies, with)
	}
	slices.SortStableFunc(list.Policies, deniedPolicy.compare)
	return list
}

// specs returns the policies that serve by their names.
func (c *Console) specs() map[string]*policy.Spec {
	byName := map[string]*policy.Spec{}
	if set := c.Set(); set != nil {
		for i, s := range set.Specs() {
			byName[s.Name] = &set.Specs()[i]
		}
	}
	return byName
}

// newDenied adds to o what s says of it; s is nil if there is no such policy.
func newDenied(s *policy.Spec, o denied.Origin) deniedOrigin {
	d := deniedOrigin{Origin: o}
	if s == nil {
		return d
	}
	d.Try = tryDenied(s, o)
	if o.Allow != "" {
		d.Opens = onceEnforced(s, opens(s, o))
	}
	return d
}

// tryDenied returns the address of the page that explains a request that was denied like o.
func tryDenied(s *policy.Spec, o denied.Origin) string {
	origin, err := strconv.Unquote(o.Origin)
	asked, clipped := strconv.Unquote(cmp.Or(o.Asked, `""`))
	if err != nil || clipped != nil || !hasScheme(origin) || o.Reason == policy.ReasonPathAmbiguous.String() {
		return ""
	}
	q := url.Values{"origin": {origin}, "policy": {s.Name}, "url": {placeOf(s)}}
	switch o.Reason {
	case policy.ReasonPreflightMethodDenied.String():
		q.Set("method", asked)
	case policy.ReasonPreflightHeaderDenied.String():
		q.Set("headers", strings.ReplaceAll(asked, ",", "\n"))
	}
	return "/console/try?" + q.Encode()
}

// placeOf returns a URL that s may be about. It is asked by name, so another one would do.
func placeOf(s *policy.Spec) string {
	place := nobody
	for _, h := range s.Hosts {
		if !strings.HasPrefix(h, "*.") {
			place = "https://" + h
			break
		}
	}
	if len(s.Paths) > 0 {
		return place + s.Paths[0]
	}
	return place + "/"
}

// opens says in one sentence what the line opens that allows what was denied.
func opens(s *policy.Spec, o denied.Origin) string {
	switch o.Reason {
	case policy.ReasonPreflightMethodDenied.String(), policy.ReasonPreflightHeaderDenied.String():
		return opensMore
	}
	return opensOrigin(s, unquoted(o.Origin), s.CORS.AllowCredentials)
}
