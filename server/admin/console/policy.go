package console

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/recent"
)

// perPage is how many origins of a policy a page has.
const perPage = 200

// detail is one policy as it serves.
type detail struct {
	// Policy is normalised, and without its origins.
	Policy policy.Spec `json:"policy"`
	// Origins are those of this page, from the place From on, of All. Next is where the
	// next page begins, or 0.
	Origins []origin `json:"origins"`
	From    int      `json:"from"`
	Next    int      `json:"next,omitempty"`
	All     int      `json:"all"`
	Use     known    `json:"use"`
}

// known says how much is known about the use of a policy's origins: by the decisions of this
// instance since a time, of which a part was looked at.
type known struct {
	Since time.Time `json:"since"`
	Seen  uint64    `json:"seen"`
	Kept  uint64    `json:"kept"`
	// Others counts what came from origins that are not counted one by one.
	Others uint64 `json:"others"`
	// Doubt says why no entry is called unused; it is empty if one may be.
	Doubt string `json:"doubt,omitempty"`
}

// use returns how much is known about the use of a policy's origins, and the use.
func (c *Console) use(s *policy.Spec) (known, *recent.Use) {
	u, _ := c.Recent.Use(s.Name)
	k := known{Since: u.Since, Seen: u.Seen, Kept: u.Kept, Others: u.Others}
	switch {
	case s.Mode == policy.ModeOff:
		k.Doubt = "the policy is off, and allows nothing"
	case c.Envoys != nil && !c.Recent.Told():
		k.Doubt = "Envoys get compiled policies and decide by themselves, and none has told this instance what it decided. " +
			"Unless both have it, give --feed to 'corsgate serve' and to 'corsgate envoy-config'"
	case k.Kept == 0:
		k.Doubt = "no decision was looked at since " + shownTime(k.Since)
	case k.Others > 0:
		k.Doubt = fmt.Sprintf("of the decisions looked at, %d came from origins that are not counted one by one", k.Others)
	}
	return k, &u
}

// Percent is the part of the decisions that was looked at. It is never rounded up: a part is
// not called all.
func (k known) Percent() string {
	if k.Kept == 0 {
		return "0"
	}
	tenths := k.Kept * 1000 / k.Seen
	if tenths == 0 {
		return "less than 0.1"
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// origin is an entry of allowOrigins or allowOriginRegexes.
type origin struct {
	Entry string `json:"entry"`
	Regex bool   `json:"regex,omitempty"`
	// Used counts the allowed requests and preflights, of those that were looked at, of
	// origins that the entry allows. Another entry may allow them, too.
	Used uint64 `json:"used"`
	// Unused says that no origin of the entry came, as far as is known. If Used is 0, and
	// Unused false, the use is not known.
	Unused bool `json:"unused,omitempty"`
}

// First and Last are the numbers of the entries of this page.
func (d detail) First() int { return d.From + 1 }

// Last is First's partner.
func (d detail) Last() int { return d.From + len(d.Origins) }

// unused counts the entries of this page that are called unused.
func (d detail) unused() (n int) {
	for _, o := range d.Origins {
		if o.Unused {
			n++
		}
	}
	return n
}

func (c *Console) policy(w http.ResponseWriter, r *http.Request) {
	set := c.Set()
	if set == nil {
		c.fail(w, r, http.StatusServiceUnavailable, errNoPolicies.Error())
		return
	}
	name := r.PathValue("name")
	i := slices.Index(set.Names(), name)
	if i < 0 {
		c.fail(w, r, http.StatusNotFound, "No policy of that name serves now.")
		return
	}
	var d detail
	answered := c.work(w, r, func() {
		s := &set.Specs()[i]
		k, use := c.use(s)
		d = newDetail(s, placeOfPage(r), k, use)
	})
	if answered {
		c.show(w, r, http.StatusOK, "policy", "Policy "+name, d)
	}
}

// newDetail returns a page of a policy, with the use of its origins.
func newDetail(s *policy.Spec, from int, k known, use *recent.Use) detail {
	exact := len(s.CORS.AllowOrigins)
	d := detail{Policy: *s, Origins: []origin{}, All: exact + len(s.CORS.AllowOriginRegexes), Use: k}
	d.From = min(from, d.All)
	d.Policy.CORS.AllowOrigins, d.Policy.CORS.AllowOriginRegexes = nil, nil
	end := min(d.From+perPage, d.All)
	for i := d.From; i < end; i++ {
		o := origin{}
		if o.Regex = i >= exact; o.Regex {
			o.Entry = s.CORS.AllowOriginRegexes[i-exact]
		} else {
			o.Entry = s.CORS.AllowOrigins[i]
		}
		o.count(use, s.CORS.AllowCredentials)
		o.Unused = k.Doubt == "" && o.Used == 0
		d.Origins = append(d.Origins, o)
	}
	if end < d.All {
		d.Next = end
	}
	return d
}

// count adds up how often the origins that the entry allows were allowed.
func (o *origin) count(use *recent.Use, credentials bool) {
	allows := allows(o.Entry, o.Regex, credentials)
	for came, n := range use.Origins {
		if allows(came) {
			o.Used += n
		}
	}
}

// allows returns what tells whether an entry of a policy allows an origin.
func allows(entry string, regex, credentials bool) func(origin string) bool {
	if entry == "null" || entry == "*" && !credentials {
		return func(origin string) bool { return entry == "*" || origin == "null" }
	}
	fits := fits(entry, regex)
	return func(origin string) bool {
		o, err := policy.ParseOrigin(origin)
		return err == nil && fits(o)
	}
}

// fits returns what tells whether an entry fits an origin.
func fits(entry string, regex bool) func(policy.Origin) bool {
	if regex {
		re, err := policy.CompileRegex(entry)
		return func(o policy.Origin) bool { return err == nil && !o.Anybodys() && re.MatchString(o.String()) }
	}
	p, err := policy.ParsePattern(entry)
	return func(o policy.Origin) bool { return err == nil && p.Matches(o) }
}
