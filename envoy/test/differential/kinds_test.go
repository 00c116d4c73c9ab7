package differential

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// plainHost and plainOrigin are what nobody need ask about: short domains in lower
// case.
var (
	plainHost   = regexp.MustCompile(`^([a-z0-9_-]{1,40}\.){0,5}[a-z0-9_-]{1,40}$`)
	plainOrigin = regexp.MustCompile(`^https?://([a-z0-9_-]{1,40}\.){0,5}[a-z][a-z0-9_-]{0,39}(:[1-5][0-9]{4}|:[1-9][0-9]{3})?$`)
)

// isOddAuthority reports whether an authority is spelled oddly, to an Envoy that knows
// these ports.
func isOddAuthority(authority string, ports []uint16) bool {
	return !plainHost.MatchString(cutPort(authority, ports))
}

// cutPort cuts one of the ports.
func cutPort(authority string, ports []uint16) string {
	for _, port := range ports {
		if host, ok := strings.CutSuffix(authority, fmt.Sprintf(":%d", port)); ok {
			return host
		}
	}
	return authority
}

// isOddSite reports whether a value of Sec-Fetch-Site is none of a browser's.
func isOddSite(value string) bool {
	return !slices.Contains([]string{"", "same-origin", "none", "same-site", "cross-site"}, value)
}

// kindOf says why Envoy has asked about an exchange; empty if there is no reason.
func (e *exchange) kindOf(v variant, w *world) string {
	p := w.byName[e.decided.Policy]
	covered := e.isOnHost(w, func(*policy.Spec) bool { return true })
	for _, kind := range []struct {
		name string
		is   bool
	}{
		{"Envoy names the policy", e.seen.Policy != ""},
		{"spelling of the authority", isOddAuthority(e.seen.Authority, v.compiled.Ports) && !e.isExactHost(v, w)},
		{"spelling of the origin", covered && e.seen.Origin != "" && w.isOddOrigin(e.seen.Origin) && !e.takesAll(p)},
		{"long list of headers", covered && len(e.seen.RequestHeaders) > 255 && !e.takesAll(p)},
		{"rehearsal on the host", e.isOnHost(w, func(p *policy.Spec) bool { return p.Mode == policy.ModeShadow })},
		{"policy's path with several readings", e.isOnHost(w, func(p *policy.Spec) bool { return slices.ContainsFunc(p.Paths, isOddPathOfPolicy) })},
		{"spelling of the path", e.hasOddPath(w)},
		{"regexes for origins", p != nil && len(p.CORS.AllowOriginRegexes) > 0},
		{"spelling of the list of headers", p != nil && e.decided.Reason == policy.ReasonPreflightAllowed.String() && e.isEchoedOddly(p)},
		{"origin that may be the site's own", e.seen.SecFetchSite == "" && e.isDenied() && !e.isExactHost(v, w) && e.mayBeOwn(v, w)},
		{"Sec-Fetch-Site that no browser sends", v.compiled.Feed > 0 && e.isDenied() && isOddSite(e.seen.SecFetchSite)},
	} {
		if kind.is {
			return kind.name
		}
	}
	return ""
}

// takesAll reports whether p says the same whatever the origin and the list of headers.
func (e *exchange) takesAll(p *policy.Spec) bool {
	isPreflight := e.seen.Method == http.MethodOptions && e.seen.RequestMethod != ""
	isPublic := p != nil && slices.Contains(p.CORS.AllowOrigins, "*") && !p.CORS.AllowCredentials
	return p != nil && p.Mode == policy.ModeOff || isPublic && !isPreflight
}

// mostOdd is how many odd origins Envoy knows.
const mostOdd = 50

// ownOdd matches origins that are asked about though they are listed: they may be a
// site's own, which is compared without a trailing dot and by the scheme's port.
var ownOdd = regexp.MustCompile(`^ftp://|^https?://[^:]*\.(:|$)`)

// isOddOrigin reports whether an origin is spelled oddly and not listed, or one of
// too many.
func (w *world) isOddOrigin(origin string) bool {
	listed := map[string]bool{"null": true}
	for i := range w.specs {
		for _, text := range w.specs[i].CORS.AllowOrigins {
			if _, err := policy.ParseOrigin(text); err == nil && !plainOrigin.MatchString(text) {
				listed[text] = true
			}
		}
	}
	return !plainOrigin.MatchString(origin) && (!listed[origin] || len(listed) > mostOdd || ownOdd.MatchString(origin))
}

// isOnHost reports whether a policy that covers the host has the property.
func (e *exchange) isOnHost(w *world, has func(*policy.Spec) bool) bool {
	return slices.ContainsFunc(w.specs, func(p policy.Spec) bool { return coversHost(&p, e.seen.Authority) && has(&p) })
}

// reserved are bytes of RFC 3986, section 2.2, that paths of policies have.
const reserved = ":@+()$[]=,'!&"

// hasOddPath reports whether a policy of the host is for a part of its paths, and the
// request's may have several readings, or one that an escape hides.
func (e *exchange) hasOddPath(w *world) bool {
	hasReserved := func(path string) bool { return strings.ContainsAny(path, reserved) }
	path, _, _ := strings.Cut(e.seen.Path, "?")
	return e.isOnHost(w, func(p *policy.Spec) bool {
		return len(p.Paths) > 0 && (isOddPath(path) || strings.Contains(path, "%") && slices.ContainsFunc(p.Paths, hasReserved))
	})
}

// isOddPath reports whether a path has several readings.
func isOddPath(path string) bool {
	normalised, others, tooMany := policy.ReadPath(path)
	return !strings.EqualFold(normalised, path) || others != nil || tooMany
}

// isOddPathOfPolicy reports whether a policy's path has several readings, or an escape.
func isOddPathOfPolicy(path string) bool { return isOddPath(path) || strings.Contains(path, "%") }

// isEchoedOddly reports whether the answer has to list the requested names in another
// spelling than the request, or it is not known that it has not.
func (e *exchange) isEchoedOddly(p *policy.Spec) bool {
	star := slices.Contains(p.CORS.AllowHeaders, "*")
	if star && !p.CORS.AllowCredentials || !star && p.PreflightLists != policy.ListsRequested {
		return false
	}
	names := strings.Split(e.seen.RequestHeaders, ",")
	if strings.Trim(e.seen.RequestHeaders, ", \t") == "" {
		return false // nothing to list
	}
	ascending := slices.IsSorted(names) && len(slices.Compact(slices.Clone(names))) == len(names)
	known := func(name string) bool {
		if star {
			return len(names) == 1 && policy.IsToken(name) && !policy.IsForbiddenRequestHeader(name)
		}
		return slices.Contains(p.CORS.AllowHeaders, name) && len(p.CORS.AllowHeaders) <= 64
	}
	return !ascending || slices.ContainsFunc(names, func(name string) bool { return !known(name) || name != strings.ToLower(name) })
}

// isDenied reports whether the request has an origin that is not allowed.
func (e *exchange) isDenied() bool {
	return slices.Contains([]string{policy.ReasonRequestOriginDenied.String(), policy.ReasonRequestBlocked.String(), policy.ReasonSameOrigin.String()}, e.decided.Reason)
}

// mayBeOwn reports whether the origin may be the site's own, as far as policies tell the
// host: it is below the same parent, or any host is covered.
func (e *exchange) mayBeOwn(v variant, w *world) bool {
	host := cutPort(e.seen.Authority, v.compiled.Ports)
	return e.isOnHost(w, func(p *policy.Spec) bool {
		return len(p.Hosts) == 0 || slices.ContainsFunc(p.Hosts, func(own string) bool {
			parent, starred := strings.CutPrefix(own, "*")
			return starred && strings.HasSuffix(host, parent) && strings.Contains(e.seen.Origin, parent)
		})
	})
}

// mostNamed is up to how many hosts Envoy compares odd authorities with.
const mostNamed = 1000

// exactHosts are those that policies name.
func (w *world) exactHosts() (hosts []string) {
	for i := range w.specs {
		for _, host := range w.specs[i].Hosts {
			if !strings.HasPrefix(host, "*.") && !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// isExactHost reports whether the authority is one that a policy names.
func (e *exchange) isExactHost(v variant, w *world) bool {
	host := cutPort(e.seen.Authority, v.compiled.Ports)
	return slices.ContainsFunc(w.specs, func(p policy.Spec) bool { return slices.Contains(p.Hosts, host) })
}
