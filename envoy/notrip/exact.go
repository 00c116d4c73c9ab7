package notrip

import (
	"strings"
)

// The names of the request headers that decide, the cheapest to look up first.
// sec-fetch-site is the last, since Envoy has no index for it.
const (
	authority         = ":authority"
	method            = ":method"
	path              = ":path"
	origin            = "origin"
	requestMethod     = "access-control-request-method"
	requestHeaders    = "access-control-request-headers"
	requestPrivate    = "access-control-request-private-network"
	upgrade           = "upgrade"
	secFetchSite      = "sec-fetch-site"
	vary              = "vary"
	allowOriginHeader = "access-control-allow-origin"
)

// plainOrigin matches only serialized origins (RFC 6454, section 6.2; Fetch,
// #origin-header): http or https, a domain of at most six short labels of which the
// last is not a number (URL, section 3.5), and no port, or one that is no scheme's
// default. Envoy asks about every other origin that a policy does not list.
const plainOrigin = `https?://(?:[a-z0-9_-]{1,40}\.){0,5}[a-z][a-z0-9_-]{0,39}(?::` + plainPort + `)?`

// plainPort matches ports without a leading zero that are no scheme's default: 1000 to
// 59999.
const plainPort = `(?:[1-9][0-9]{3}|[1-5][0-9]{4})`

// plainHost matches the host of an authority if it is written as in policies: without a
// port, a trailing dot or capital letters.
const plainHost = `(?:[a-z0-9_-]{1,40}\.){0,5}[a-z0-9_-]{1,40}`

// hasLongList holds for lists of requested headers above 255 bytes. Shorter lists cannot
// exceed the bounds of Decide, 4 KiB and 128 names.
var hasLongList = matches(requestHeaders, longList)

// longList matches what has more than 255 bytes.
const longList = `\C{256}\C*`

// token is RFC 9110, section 5.6.2.
const (
	tokenByte      = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]"
	lowerTokenByte = "[!#$%&'*+\\-.^_`|~0-9a-z]"
)

// list matches a comma-separated list of elements in any order, with white space
// around them and with empty elements (RFC 9110, section 5.6.1.2).
func list(element string) string {
	one := `[ \t]*(?:(?:` + element + `)[ \t]*)?`
	return one + `(?:,` + one + `)*`
}

// element matches a list that has the element, whatever else it has.
func element(element string) string {
	return `(?:\C*,)?[ \t]*(?:` + element + `)[ \t]*(?:,\C*)?`
}

// ascending matches the lists of some of the sorted names, each at most once and
// without white space, as a browser writes them (Fetch, #cors-preflight-fetch, step 5).
func ascending(names []string) string {
	var lists []string
	for i, name := range names {
		one := literal(name)
		for _, next := range names[i+1:] {
			one += "(?:," + literal(next) + ")?"
		}
		lists = append(lists, one)
	}
	return strings.Join(lists, "|")
}

// commonHeaders are names that pages often set, sorted, so that ascending can match
// lists of them.
var commonHeaders = []string{
	"accept", "accept-language", "apollographql-client-name", "authorization", "baggage", "cache-control",
	"content-language", "content-type", "idempotency-key", "if-match", "if-modified-since", "if-none-match", "pragma",
	"range", "sentry-trace", "traceparent", "tracestate", "x-api-key", "x-client-version", "x-csrf-token",
	"x-request-id", "x-requested-with", "x-xsrf-token",
}

// forbiddenPrefix matches the names that Fetch, #forbidden-request-header, forbids by
// their prefix.
const forbiddenPrefix = `(?:[pP][rR][oO][xX][yY]-|[sS][eE][cC]-)` + tokenByte + `*`

// A path has one reading only if nothing in it is decoded, cut or resolved. Each
// segment is ordinary bytes and dots, but not "." or ".." alone.
const (
	// strictByte is a byte of RFC 3986, section 2.2 and 2.3, except those that divide a
	// path.
	strictByte = `[A-Za-z0-9_~:@!$&'()*+,=\[\]-]`
	// looseByte is also any other byte, or an escape, unless that is decoded to a letter, a
	// digit, a dot, or a character that divides or cuts a path. Such bytes do not matter if
	// policies have plain paths.
	looseByte = `(?:[^/.%;?#\\]|%(?:[01][0-9A-Fa-f]|2[0-24-9A-Ca-c]|3[AaC-Ec-e]|40|5[BbDdEe]|60|7[BbCcDdFf]|[89A-Fa-f][0-9A-Fa-f]))`
)

// onePath matches paths of segments of such bytes, with or without a query.
func onePath(b string) string {
	segment := `(?:\.{0,2}` + b + `(?:` + b + `|\.)*|\.{3}(?:` + b + `|\.)*)`
	return `(?:/` + segment + `)*/?(?:[?#]\C*)?`
}
