package importer

import (
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

// replyOf returns what a system does with a request by the route that it chooses, as the
// reader tells it, whatever policies come of it.
func replyOf(route *source.Route, r request) reply {
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
