package differential

import (
	"github.com/corsgate/corsgate/policy/respond"
)

// keptHeader is what nobody is to touch, though its name is nearly one of CORS.
const keptHeader = "access-controls"

// answer makes up what the upstream answers.
func (g gen) answer() respond.Response {
	h := respond.Headers{keptHeader: {"kept"}}
	if g.oneIn(2) {
		h["access-control-allow-origin"] = g.spoken("*", "https://other.example", "https://app.example", "null", "", "\xff")
	}
	if g.oneIn(3) {
		h["access-control-allow-credentials"] = g.spoken("true", "")
	}
	if g.oneIn(3) {
		h[pick(g, "access-control-expose-headers", "access-control-max-age", "access-control-allow-methods", "access-control-", "access-control-unknown")] = g.spoken("x-up", "0")
	}
	if g.oneIn(2) {
		h["vary"] = g.spoken("Accept-Encoding", "Origin", "origin, accept", "*", "X-Origin", "accept,ORIGIN", "Accept , origin\t", "accept\t,*", "Origin ,Accept", "*\t,x", ",", "Origin-X",
			"Accept, Origins", "or\u0131gin", "\xff, Origin", "Origin, \xff", "\xff", "** , x", "a b Origin")
	}
	return respond.Response{Status: pick(g, 200, 200, 204, 304, 401, 404, 429, 500), Headers: h}
}

// spoken are the lines of a header: one, or seldom two.
func (g gen) spoken(values ...string) []string {
	one, other := pick(g, values...), pick(g, values...)
	if g.oneIn(6) && one != "" && other != "" { // Envoy itself drops an empty one of several
		return []string{one, other}
	}
	return []string{one}
}
