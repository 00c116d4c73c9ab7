package explain

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// The bounds of what a report says about the entries. Entries that are much farther away
// than the nearest only distract.
const (
	maxBy      = 3
	maxNear    = 5
	maxFarther = 1
)

// miss is an entry that nearly allows an origin.
type miss struct {
	Near
	distance int // 1 is the nearest
}

// originReport says which entries of s allow origin, or nearly do. It reads them one by
// one, and keeps only the nearest few.
func originReport(s *policy.Spec, origin string) *Origin {
	r := &Origin{Tried: len(s.CORS.AllowOrigins) + len(s.CORS.AllowOriginRegexes)}
	if public := slices.Contains(s.CORS.AllowOrigins, "*") && !s.CORS.AllowCredentials; public {
		r.allow("*") // a public policy does not look at the origin of a request
		return r
	}
	o, err := policy.ParseOrigin(origin)
	if err != nil {
		r.notAnOrigin(s, origin)
		return r
	}
	var near []miss
	for _, entry := range s.CORS.AllowOrigins {
		p, err := policy.ParsePattern(entry)
		switch {
		case err != nil:
		case p.Matches(o):
			r.allow(entry)
		default:
			near = keepNear(near, entry, p, o)
		}
	}
	regexMiss := "the expression does not match the whole origin"
	if o.Anybodys() {
		regexMiss = "no expression matches an origin that anybody can send; it is listed in allowOrigins"
	} else {
		r.matchRegexes(s, origin)
	}
	if !r.Allowed {
		r.addNear(s, near, regexMiss)
	}
	return r
}

func (r *Origin) allow(entry string) {
	r.Allowed = true
	if len(r.By) < maxBy {
		r.By = append(r.By, entry)
	}
}

func (r *Origin) matchRegexes(s *policy.Spec, origin string) {
	for _, text := range s.CORS.AllowOriginRegexes {
		if re, err := policy.CompileRegex(text); err == nil && re.MatchString(origin) {
			r.allow(text)
		}
	}
}

func (r *Origin) addNear(s *policy.Spec, near []miss, regexMiss string) {
	for _, m := range near {
		if m.distance > near[0].distance+maxFarther {
			break
		}
		r.Near = append(r.Near, m.Near)
	}
	for _, text := range s.CORS.AllowOriginRegexes {
		if len(r.Near) < maxNear {
			r.Near = append(r.Near, Near{Entry: text, Why: regexMiss})
		}
	}
}

// notAnOrigin is for a text that is not an origin.
func (r *Origin) notAnOrigin(s *policy.Spec, origin string) {
	if origin == "null" {
		r.null(s)
		return
	}
	why := malformed(origin)
	sent := PageOrigin(origin)
	if sent == "" {
		r.Near = []Near{{Why: why}}
		return
	}
	why += "; browsers send " + sent
	if repaired := originReport(s, sent); repaired.Allowed {
		why += ", which " + repaired.By[0] + " allows"
	} else {
		r.Near = repaired.Near
	}
	r.Near = append([]Near{{Why: why}}, r.Near...)
}

// malformed says why a text is not an origin. It names only mistakes that are mistakes in a
// request, too, and not only in an entry of a policy.
func malformed(origin string) string {
	_, err := policy.ParsePattern(origin)
	e, _ := errors.AsType[*policy.PatternError](err)
	if e == nil {
		return noOrigin
	}
	why, never := strings.CutPrefix(e.Reason, "can never match: ")
	if !never && !slices.Contains([]string{"origin-host", "origin-ip", "origin-label", "origin-port"}, e.Code) {
		return noOrigin
	}
	return why
}

const noOrigin = "it is malformed: no browser sends it as an origin"

// PageOrigin returns the origin that a browser sends for a page at that URL. It is empty if
// the page has none.
func PageOrigin(page string) string {
	u, err := url.Parse(strings.TrimSpace(page))
	if err != nil {
		return ""
	}
	sent, err := originOf(u)
	if _, bad := policy.ParseOrigin(sent); err != nil || bad != nil {
		return ""
	}
	return sent
}

func (r *Origin) null(s *policy.Spec) {
	if slices.Contains(s.CORS.AllowOrigins, "null") {
		r.allow("null")
		return
	}
	r.Near = []Near{{Why: `the page has no origin of its own (a sandboxed frame, a file, or a redirect between other sites): serve it from one; any site can pretend to be "null"`}}
}

// keepNear enters p among the nearest when it is near o.
func keepNear(list []miss, entry string, p policy.Pattern, o policy.Origin) []miss {
	why, distance := nearMiss(p, o)
	if distance == 0 {
		return list
	}
	i, _ := slices.BinarySearchFunc(list, distance+1, func(m miss, d int) int { return cmp.Compare(m.distance, d) })
	if i == maxNear {
		return list
	}
	list = slices.Insert(list, i, miss{Near{entry, why, isKin(p, o)}, distance})
	return list[:min(len(list), maxNear)]
}
