package policy

import (
	"cmp"
	"slices"
	"strings"
)

func (v *validator) checkMethods() {
	const field = "cors.allowMethods"
	list := v.s.CORS.AllowMethods
	star := slices.Contains(list, "*")
	seen := map[string]bool{}
	for i, m := range list {
		place := at(field, i)
		switch normal := NormaliseMethod(m); {
		case !IsToken(m):
			v.fail("method-token", place, m, "this is not a method", tokenHint(m, "PUT", properMethod))
		case IsForbiddenMethod(m):
			// Fetch, #forbidden-method.
			v.warn("method-forbidden", place, m, "no page can send this method", "remove it")
		case m != normal:
			v.fail("method-case", place, m, "can never match: browsers send this method in upper case", didYouMean(normal))
		case looksLikePattern(m):
			v.warnOfPattern(place, m, properMethod)
		case meantMethod(m) != "":
			v.warn("misspelt-method", place, m, "no method in use has this name", didYouMean(meantMethod(m)))
		case seen[m]:
			v.warn("method-redundant", place, m, "the method is listed twice", "remove one")
		case star && m != "*":
			v.warn("beside-star", place, m, `"*" covers every method`, "remove it")
		case strings.EqualFold(m, "PATCH") && !slices.Contains(list, "PATCH"):
			// Fetch, #concept-method-normalize, does not change it.
			v.warn("method-case", place, m, "methods are case-sensitive, and browsers send this one as a page writes it", `write "PATCH", as pages should too`)
		}
		seen[m] = true
	}
}

// checkSafeMethods notes that a list of methods that change nothing refuses no
// POST: CORS-safelisted methods need not be listed (Fetch,
// #cors-preflight-fetch, step 7). A public policy has no origin to refuse.
func (v *validator) checkSafeMethods() {
	list := v.s.CORS.AllowMethods
	changes := func(m string) bool { return m != "GET" && m != "HEAD" && m != "OPTIONS" }
	if len(list) == 0 || slices.ContainsFunc(list, changes) || v.s.DeniedRequests != "" || v.isPublic() {
		return
	}
	v.note("post-always-allowed", "cors.allowMethods", strings.Join(list, ", "), "browsers send GET, HEAD and POST without looking at this list",
		`write deniedRequests: block-unsafe to refuse the writes of origins that are not allowed; those of allowed ones are the application's to refuse`)
}

func (v *validator) checkAllowHeaders() {
	list := v.s.CORS.AllowHeaders
	star := slices.Contains(list, "*")
	seen := map[string]bool{}
	for i, h := range list {
		place, name := at("cors.allowHeaders", i), strings.ToLower(h)
		switch {
		case v.checkRequestHeader(place, h, name):
		case looksLikePattern(h):
			v.warnOfPattern(place, h, literal)
		case seen[name]:
			v.warn("header-redundant", place, h, "the header is listed twice", "remove one")
		case star && name != "*" && name != authorization:
			v.warn("beside-star", place, h, `"*" covers every header but authorization`, "remove it")
		case name == "*" && !v.coversAuthorization():
			v.note("authorization-not-covered", place, h, `"*" does not cover the authorization header`,
				`write ["*", authorization] if clients send tokens`)
		}
		seen[name] = true
	}
}

// checkRequestHeader reports a name that no page asks to send. It returns
// whether there was something to report.
func (v *validator) checkRequestHeader(place, h, name string) bool {
	switch {
	case !IsToken(h):
		v.fail("header-token", place, h, "this is not a header name", tokenHint(h, "x-request-id", literal))
	case name == "cookie":
		v.warn("header-never-sent", place, h, neverSent, "remove it; cookies come with allowCredentials")
	case IsForbiddenRequestHeader(name):
		v.warn("header-never-sent", place, h, neverSent, "remove it")
	case IsCORSHeader(name):
		v.warn("header-response", place, h, "this is a response header: no page asks to send it", "remove it")
	default:
		return false
	}
	return true
}

// neverSent is Fetch, #forbidden-request-header. It is not an error: the lists of
// many tutorials and frameworks have such names, and to grant them has no effect.
const neverSent = "no page can set this header"

// authorization is the one CORS non-wildcard request-header name.
const authorization = "authorization"

// coversAuthorization reports whether the policy allows the authorization header. A
// star that is sent does not cover it (Fetch, #cors-non-wildcard-request-header-name);
// with credentials no star is sent.
func (v *validator) coversAuthorization() bool {
	return v.s.CORS.AllowCredentials || slices.ContainsFunc(v.s.CORS.AllowHeaders, isAuthorization)
}

func isAuthorization(h string) bool { return strings.EqualFold(h, authorization) }

// tokenHint says how to write a text that is not a token. example is a token.
// meant returns how to write a part of the text, or nothing.
func tokenHint(s, example string, meant func(string) string) string {
	bare := strings.TrimSuffix(strings.TrimFunc(s, isAround), ":")
	hint, listed := apart(s, func(part string) string {
		if !strings.ContainsAny(s, separators) && !isSurelyName(part) {
			return ""
		}
		return meant(part)
	})
	switch {
	case listed || strings.Contains(s, ",") && len(SplitList(s)) > 1:
		return hint
	case meant(bare) != "":
		return didYouMean(meant(bare))
	case looksLikePattern(s):
		return literalHint
	}
	return "write one such as " + quote(example)
}

// isSurelyName reports whether a word between spaces is a name of its own: "content
// type" is one that lacks its hyphen.
func isSurelyName(word string) bool {
	return strings.Contains(word, "-") || slices.Contains(standardMethods, NormaliseMethod(word)) || slices.Contains(oneWordHeaders, strings.ToLower(word))
}

// oneWordHeaders are header names of one word that pages often set or read.
var oneWordHeaders = []string{authorization, "accept", "etag", "link", "location", "range"}

// literal returns a name if it is accepted as it is, otherwise nothing.
func literal(name string) string {
	if !IsToken(name) || looksLikePattern(name) || name == "*" {
		return ""
	}
	return name
}

// properMethod is literal for methods, with their case.
func properMethod(m string) string { return literal(cmp.Or(meantMethod(m), NormaliseMethod(m))) }

// exposable is literal for headers of a response that pages can read.
func exposable(name string) string {
	if neverExposed[strings.ToLower(name)] != "" {
		return ""
	}
	return literal(name)
}

// looksLikePattern reports whether a name has characters of patterns or variables,
// or is a word for "all". A token may have some of that (RFC 9110, section 5.6.2),
// but no name that is in use has. "*" alone is not a pattern.
func looksLikePattern(s string) bool {
	return s != "*" && strings.ContainsAny(s, `*|^$%+?()[]{}<>\`) || everybody[strings.ToLower(s)]
}

const literalHint = `list the names one by one; only "*" alone is a star`

func (v *validator) warnOfPattern(place, name string, meant func(string) string) {
	hint, listed := apart(name, meant)
	if !listed {
		hint = literalHint
	}
	switch all := everybody[strings.ToLower(name)]; {
	case all && v.s.CORS.AllowCredentials && strings.HasPrefix(place, exposeField):
		hint = "list the names" // a star is not allowed here, see checkExposeHeaders
	case all:
		hint = `write "*" alone`
	}
	v.warn("looks-like-pattern", place, name, "names are literal: this one matches itself alone", hint)
}

// standardMethods are those of RFC 9110, section 9, and RFC 5789 that a page can
// send.
var standardMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// meantMethod returns the standard method of which m is a misspelling or the
// beginning. It returns nothing if m may be a method by itself, as may a short
// name with another letter: "SET".
func meantMethod(m string) string {
	m = strings.ToUpper(m)
	if slices.Contains(standardMethods, m) {
		return ""
	}
	for _, standard := range standardMethods {
		begins := len(m) > 2 && strings.HasPrefix(standard, m)
		wrong, exchanged := Slip(m, standard)
		slip := wrong && (len(m) != len(standard) || len(m) > 4) || exchanged
		if begins || slip && m[0] == standard[0] {
			return standard
		}
	}
	return ""
}

// neverExposed are the header names that no page can read from a response.
var neverExposed = map[string]string{
	// Fetch, #forbidden-response-header-name.
	"set-cookie":  "browsers never show this header to a page",
	"set-cookie2": "browsers never show this header to a page",
	// Headers that only requests and answers to preflights have.
	"origin":                                 "this is a request header",
	"access-control-request-method":          "this is a request header",
	"access-control-request-headers":         "this is a request header",
	"access-control-request-private-network": "this is a request header",
	"access-control-allow-methods":           "only the answer to a preflight has this header",
	"access-control-allow-headers":           "only the answer to a preflight has this header",
	"access-control-allow-private-network":   "only the answer to a preflight has this header",
	"access-control-max-age":                 "only the answer to a preflight has this header",
}

const exposeField = "cors.exposeHeaders"

func (v *validator) checkExposeHeaders() {
	list := v.s.CORS.ExposeHeaders
	star := slices.Contains(list, "*")
	seen := map[string]bool{}
	for i, h := range list {
		place, name := at(exposeField, i), strings.ToLower(h)
		switch reason := neverExposed[name]; {
		case !IsToken(h):
			v.fail("expose-token", place, h, "this is not a header name", tokenHint(h, "x-request-id", exposable))
		case reason != "":
			v.fail("expose-never", place, h, reason, "remove it")
		case name == "*" && v.s.CORS.AllowCredentials:
			// Fetch, #http-access-control-expose-headers: with credentials it
			// is a header that is called "*".
			v.fail("expose-star-with-credentials", place, h, `with credentials "*" exposes nothing`, "list the names")
		case looksLikePattern(h):
			v.warnOfPattern(place, h, exposable)
		case seen[name]:
			v.warn("expose-redundant", place, h, "the header is listed twice", "remove one")
		case star && name != "*":
			v.warn("beside-star", place, h, `"*" covers every header`, "remove it")
		}
		seen[name] = true
	}
}
