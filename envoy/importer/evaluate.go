package importer

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// request is what a page asks for: with a method of its own and header names in lower case
// it is a preflight.
type request struct {
	host, path, origin string
	preflight          bool
	method             string
	headers            []string
}

// reply is what a system answers to a request.
type reply struct {
	route *source.Route // that answers; nil if none does
	// origin tells that the answer allows the origin, and granted that it is a preflight's
	// that grants all that was asked for, as browsers read it for a request without
	// credentials.
	origin, granted bool
	star            bool // the origin is allowed by a literal "*"
}

// replyOf returns what the systems do with a request, by what the readers tell, whatever
// policies come of it. A route with conditions is left out: they are taken for not met.
func replyOf(configs []source.Config, r request) reply {
	route := routeOf(configs, r.host, r.path)
	if route == nil || route.CORS == nil || route.CORS.Mode != "" {
		return reply{route: route}
	}
	c := route.CORS
	rep := reply{route: route, star: slices.ContainsFunc(c.Origins, func(o source.Origin) bool { return o.Any == source.Star })}
	rep.origin = slices.ContainsFunc(c.Origins, func(o source.Origin) bool { return allows(o, r.origin) })
	rep.granted = rep.origin && r.preflight && grantsMethod(c.Methods, r.method) &&
		!slices.ContainsFunc(r.headers, func(name string) bool { return !grantsHeader(c.Headers, name) })
	return rep
}

// allows reports whether an entry allows an origin.
func allows(o source.Origin, origin string) bool {
	if o.Any != source.NotAny {
		return true
	}
	re, err := o.Regex.Compile()
	return err == nil && re.MatchString(origin)
}

// grantsMethod is Fetch, #cors-preflight-fetch, step 7, for a request without credentials.
func grantsMethod(n source.Names, method string) bool {
	return n.Echo || policy.IsSafelistedMethod(method) || slices.ContainsFunc(names(n), func(t source.Text) bool {
		return t.Text == method || t.Text == "*"
	})
}

// grantsHeader is the same for a header.
func grantsHeader(n source.Names, name string) bool {
	if n.Echo {
		return true
	}
	return slices.ContainsFunc(names(n), func(t source.Text) bool {
		// Fetch, #cors-non-wildcard-request-header-name.
		return strings.EqualFold(t.Text, name) || t.Text == "*" && name != "authorization"
	})
}

// routeOf returns the route that answers for a host and path. The most specific host comes
// first; then each configuration's own rule counts, and between them the longest path.
func routeOf(configs []source.Config, host, path string) *source.Route {
	for _, entry := range covering(host) {
		var best *source.Route
		longest := -1
		for i := range configs {
			if r, length := bestRoute(configs[i].Routes, entry, path); length > longest {
				best, longest = r, length
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

func bestRoute(routes []source.Route, host, path string) (best *source.Route, longest int) {
	longest = -1
	for i := range routes {
		r := &routes[i]
		if len(r.Conditions) > 0 || !lists(r, host) {
			continue
		}
		length := pathLength(r, path)
		if length > longest {
			best, longest = r, length
		}
		if r.FirstMatch && length >= 0 {
			break
		}
	}
	return best, longest
}

// lists reports whether a route lists this very host; "" is every host.
func lists(r *source.Route, host string) bool {
	if len(r.Hosts) == 0 {
		return host == ""
	}
	return slices.ContainsFunc(r.Hosts, func(h string) bool {
		h = strings.TrimSuffix(strings.ToLower(port.ReplaceAllString(h, "")), ".")
		return h == host || h == "*" && host == ""
	})
}

// pathLength returns the length of the longest path of r that matches, else -1. An exact one
// goes before a prefix of the same length.
func pathLength(r *source.Route, path string) int {
	if len(r.Paths) == 0 {
		return 0
	}
	longest := -1
	for _, p := range r.Paths {
		if !matchesPath(p, path) {
			continue
		}
		if read, ok := readRegexPath(p); ok && p.Kind == source.RegexPath {
			p = read
		}
		longest = max(longest, lengthOf(p))
	}
	return longest
}

func matchesPath(p source.Path, path string) bool {
	if p.Kind != source.RegexPath {
		return matches(p, path)
	}
	re, err := regexp.Compile(`^(?:` + p.Text.Text + `)$`)
	return err == nil && re.MatchString(path)
}
