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

// access is whether a page gets what it asks for, and with credentials.
type access struct{ granted, credentials bool }

// access returns what a page that asks q gets of rep.
func (rep reply) access(q request) access {
	granted := rep.origin && !q.preflight || rep.granted
	return access{granted, granted && rep.route.CORS.Credentials && !rep.star}
}

// accessOf returns what a page gets of a decision.
func accessOf(d policy.Decision) access {
	a := access{granted: d.Reason == policy.ReasonRequestAllowed || d.Reason == policy.ReasonPreflightAllowed}
	for _, h := range d.Answer.Headers {
		a.credentials = a.credentials || a.granted && h.Name == "access-control-allow-credentials"
	}
	return a
}

// isWider reports whether a has something that b has not.
func (a access) isWider(b access) bool {
	return a.granted && !b.granted || a.credentials && !b.credentials
}

// reason returns the reason that a policy gives if it decides about q as rep does.
func (rep reply) reason(q request) policy.Reason {
	switch {
	case rep.route == nil || rep.route.CORS == nil || rep.route.CORS.Mode != "":
		return policy.ReasonPolicyOff
	case !q.preflight && rep.origin:
		return policy.ReasonRequestAllowed
	case !q.preflight:
		return policy.ReasonRequestOriginDenied
	case !rep.origin:
		return policy.ReasonPreflightOriginDenied
	case rep.granted:
		return policy.ReasonPreflightAllowed
	case !grantsMethod(rep.route.CORS.Methods, q.method):
		return policy.ReasonPreflightMethodDenied
	default:
		return policy.ReasonPreflightHeaderDenied
	}
}

// tells reports whether the report says of one of two lanes that a page gets something else
// there: from is the lane that the system chooses, and to the one whose policy decides.
func tells(from, to *lane, wider bool) bool {
	fields := []string{originsField, regexesField, methodsField, headersField}
	if from != to {
		fields = []string{pathsField, hostsField, ""}
	}
	return from.tells(fields, wider) || to.tells(fields, wider)
}

func (l *lane) tells(fields []string, wider bool) bool {
	if l == nil {
		return false
	}
	found := l.findings
	if l.answer != nil {
		found = slices.Concat(found, l.answer.findings)
	}
	return slices.ContainsFunc(found, func(f source.Finding) bool {
		return slices.Contains(fields, f.Field) && tellsOf(f, wider)
	})
}

// tellsOf reports whether a finding is about a difference in access.
func tellsOf(f source.Finding, wider bool) bool {
	switch f.Fidelity {
	case source.Decide, source.Widened, source.Differs:
		return true
	case source.Narrowed, source.Equal:
		return f.Origin != "" // one that differs
	case source.Dropped:
		return !wider && f.Field == methodsField
	}
	return false
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
