package policy

import (
	"maps"
	"slices"
	"strings"
)

// tokenBytes has the bytes of an HTTP token (RFC 9110, section 5.6.2).
var tokenBytes = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// IsToken reports whether s is an HTTP token: what a method and a header name
// must be (Fetch, #methods and #headers).
func IsToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// IsForbiddenMethod reports whether no page can send the method s (Fetch,
// #forbidden-method). What is not ASCII is not a method in another case.
func IsForbiddenMethod(s string) bool {
	return (strings.EqualFold(s, "CONNECT") || strings.EqualFold(s, "TRACE") || strings.EqualFold(s, "TRACK")) && IsToken(s)
}

// NormaliseMethod returns the method that browsers send for a page's s: six
// methods become upper case (Fetch, #concept-method-normalize).
func NormaliseMethod(s string) string {
	switch up := strings.ToUpper(s); up {
	case "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT":
		return up
	}
	return s
}

// IsSafelistedMethod is Fetch, #cors-safelisted-method: these
// need no Access-Control-Allow-Methods.
func IsSafelistedMethod(s string) bool {
	return s == "GET" || s == "HEAD" || s == "POST"
}

// forbiddenRequestHeaders are the names of Fetch, #forbidden-request-header,
// without the prefixes, and the one that Private Network Access added. Names
// that are forbidden with some values only, as "x-http-method-override", are not
// among them.
var forbiddenRequestHeaders = map[string]bool{
	"accept-charset": true, "accept-encoding": true, "access-control-request-headers": true,
	"access-control-request-method": true, "access-control-request-private-network": true,
	"connection": true, "content-length": true, "cookie": true, "cookie2": true, "date": true, "dnt": true,
	"expect": true, "host": true, "keep-alive": true, "origin": true, "referer": true, "set-cookie": true,
	"te": true, "trailer": true, "transfer-encoding": true, "upgrade": true, "via": true,
}

// IsForbiddenRequestHeader reports whether no page can set the request header
// with the lower-case name (Fetch, #forbidden-request-header).
func IsForbiddenRequestHeader(name string) bool {
	return forbiddenRequestHeaders[name] || strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
}

// IsCORSHeader reports whether the header with the lower-case name is of the CORS protocol
// (Fetch, #http-cors-protocol).
func IsCORSHeader(name string) bool { return strings.HasPrefix(name, "access-control-") }

// ForbiddenRequestHeaders returns the lower-case names of Fetch,
// #forbidden-request-header, sorted, but for those that begin with "proxy-" or "sec-".
func ForbiddenRequestHeaders() []string {
	return slices.Sorted(maps.Keys(forbiddenRequestHeaders))
}
