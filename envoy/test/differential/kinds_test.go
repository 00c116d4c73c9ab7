package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// plainHost and plainOrigin are what nobody need ask about: short domains in lower
// case.
var (
	plainHost   = regexp.MustCompile(`^([a-z0-9_-]{1,40}\.){0,5}[a-z0-9_-]{1,40}$`)
	plainOrigin = regexp.MustCompile(`^https?://([a-z0-9_-]{1,40}\.){0,5}[a-z][a-z0-9_-]{0,39}(:[1-5]?[0-9]{4}|:[1-9][0-9]{3})?$`)
)

// isOddAuthority reports whether an authority is spelled oddly, to an Envoy that knows
// these ports.
func isOddAuthority(authority string, ports []uint16) bool {
	for _, port := range ports {
		authority = strings.TrimSuffix(authority, fmt.Sprintf(":%d", port))
	}
	return !plainHost.MatchString(authority)
}

// kindOf says why Envoy has asked about an exchange, as far as can be told.
func (e *exchange) kindOf(v variant, w *world) string {
	r := &e.seen
	p := w.byName[e.decided.Policy]
	covered := func(is func(*policy.Spec) bool) bool {
		return slices.ContainsFunc(w.specs, func(s policy.Spec) bool { return coversHost(&s, r.Authority) && is(&s) })
	}
	switch {
	case r.Policy != "":
		return "Envoy names the policy"
	case isOddAuthority(r.Authority, v.compiled.Ports):
		return "spelling of the authority"
	case r.Origin != "" && r.Origin != "null" && !plainOrigin.MatchString(r.Origin):
		return "spelling of the origin"
	case len(r.RequestHeaders) > 255:
		return "long list of headers"
	case covered(func(s *policy.Spec) bool { return s.Mode == policy.ModeShadow }):
		return "rehearsal on the host"
	case p != nil && len(p.CORS.AllowOriginRegexes) > 0:
		return "regexes for origins"
	case covered(func(s *policy.Spec) bool { return slices.ContainsFunc(s.Paths, isOddPath) }):
		return "policy's path with several readings"
	case isOddPath(r.Path) && covered(func(s *policy.Spec) bool { return s.Paths != nil }):
		return "spelling of the path"
	case r.Method == "OPTIONS" && r.RequestHeaders != "":
		return "spelling of the list of headers"
	case r.SecFetchSite == "":
		return "origin that may be the site's own"
	}
	return "something else"
}

// isOddPath reports whether there is something to decode, to cut or to merge in a path.
func isOddPath(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	return strings.ContainsAny(path, "%;\\#") || strings.Contains(path, "//")
}
