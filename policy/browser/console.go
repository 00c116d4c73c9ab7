package browser

import (
	"fmt"
	"net/url"
	"strings"
)

// words are what each console says of a check that failed. {origin}, {status},
// {method}, {header} and {value} stand for what they say of it.
type words struct{ chromium, firefox, webkit string }

// noOrigin and the others are the words of Chromium 156, Firefox 153 and WebKit
// 2.50. Chromium's stand behind "CORS policy: " and Firefox's behind the URL.
var (
	noOrigin = words{
		"No 'Access-Control-Allow-Origin' header is present on the requested resource.",
		"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: {status}.",
		otherOrigin.webkit,
	}
	otherOrigin = words{
		"The 'Access-Control-Allow-Origin' header has a value '{value}' that is not equal to the supplied origin.",
		"(Reason: CORS header ‘Access-Control-Allow-Origin’ does not match ‘{value}’).",
		"Origin {origin} is not allowed by Access-Control-Allow-Origin. Status code: {status}",
	}
	invalidOrigin = words{
		"The 'Access-Control-Allow-Origin' header contains the invalid value '{value}'.",
		otherOrigin.firefox,
		otherOrigin.webkit,
	}
	manyOrigins = words{
		"The 'Access-Control-Allow-Origin' header contains multiple values '{value}', but only one is allowed.",
		otherOrigin.firefox,
		"Access-Control-Allow-Origin cannot contain more than one origin.",
	}
	spacedOrigins = words{
		manyOrigins.chromium,
		otherOrigin.firefox,
		otherOrigin.webkit,
	}
	manyLines = words{
		manyOrigins.chromium,
		"(Reason: Multiple CORS header ‘Access-Control-Allow-Origin’ not allowed).",
		manyOrigins.webkit,
	}
	starOrigin = words{
		"The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's credentials mode is 'include'.",
		"(Reason: Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’).",
		"Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is true.",
	}
	noCredentials = words{
		"The value of the 'Access-Control-Allow-Credentials' header in the response is '{value}' which must be 'true' when the request's credentials mode is 'include'.",
		"(Reason: expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’).",
		`Credentials flag is true, but Access-Control-Allow-Credentials is not "true".`,
	}
	redirected = words{
		"Response to preflight request doesn't pass access control check: Redirect is not allowed for a preflight request.",
		"(Reason: CORS request external redirect not allowed).",
		badStatus.webkit,
	}
	badStatus = words{
		"Response to preflight request doesn't pass access control check: It does not have HTTP ok status.",
		"(Reason: CORS preflight response did not succeed). Status code: {status}.",
		"Preflight response is not successful. Status code: {status}",
	}
	noList = words{
		"Cannot parse {header} response header field in preflight response.",
		"(Reason: invalid token ‘{value}’ in CORS header ‘{header}’).",
		"Header {header} has an invalid value: {value}",
	}
	noMethod = words{
		"Method {method} is not allowed by Access-Control-Allow-Methods in preflight response.",
		"(Reason: Did not find method in CORS header ‘Access-Control-Allow-Methods’).",
		"Method {method} is not allowed by Access-Control-Allow-Methods.",
	}
	noHeader = words{
		"Request header field {header} is not allowed by Access-Control-Allow-Headers in preflight response.",
		"(Reason: header ‘{header}’ is not allowed according to header ‘Access-Control-Allow-Headers’ from CORS preflight response).",
		"Request header field {header} is not allowed by Access-Control-Allow-Headers.",
	}
)

// said returns the words of the plan's engine. pairs are placeholders and what
// they stand for.
func (p *Plan) said(w words, pairs ...string) string {
	text := w.chromium
	switch p.engine {
	case Firefox:
		text = w.firefox
	case WebKit:
		text = w.webkit
	}
	return strings.NewReplacer(append(pairs, "{origin}", p.origin, "{method}", p.Method)...).Replace(text)
}

// mismatch returns the words for an Access-Control-Allow-Origin that is not the
// page's origin.
func mismatch(allowed string) words {
	u, err := url.Parse(allowed)
	switch {
	case strings.Contains(allowed, ","):
		return manyOrigins
	case strings.Contains(allowed, " "):
		return spacedOrigins
	case allowed != "null" && (err != nil || u.Scheme == ""):
		return invalidOrigin
	}
	return otherOrigin
}

// ConsoleLine returns the line of the console of a page that fetches target,
// for a verdict that the plan's engine has given. It is empty for one that is
// not blocked.
func (p *Plan) ConsoleLine(target string, v Verdict) string {
	switch {
	case v.Console == "" || p.engine == WebKit:
		return v.Console
	case p.engine == Firefox && v.Console == starOrigin.firefox:
		target = "‘" + target + "’"
	}
	if p.engine == Firefox {
		return fmt.Sprintf("Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at %s. %s", target, v.Console)
	}
	return fmt.Sprintf("Access to fetch at '%s' from origin '%s' has been blocked by CORS policy: %s", target, p.origin, v.Console)
}
