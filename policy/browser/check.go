package browser

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Verdict is what a browser makes of an answer.
type Verdict struct {
	// Blocked tells that the request fails: it is not sent, or not read.
	Blocked bool `json:"blocked"`
	// ButChromium tells that Chromium does not make the check that failed: it goes
	// on, and other browsers do not.
	ButChromium bool `json:"butChromium,omitempty"`
	// Steps are the checks in their order; of a blocked one, the last failed.
	Steps []Step `json:"steps"`
	// Console is what Chromium writes after "has been blocked by CORS policy: ".
	Console string `json:"console,omitempty"`
}

func (v *Verdict) pass(section, format string, args ...any) {
	v.Steps = append(v.Steps, Step{true, fmt.Sprintf(format, args...), section})
}

func (v *Verdict) fail(section, console, format string, args ...any) {
	v.Blocked, v.Console = true, console
	v.Steps = append(v.Steps, Step{false, fmt.Sprintf(format, args...), section})
}

const checkSection = "#cors-check"

// CheckResponse says whether the page may read the answer to the request itself,
// or, of a redirect, whether it is followed (Fetch, #http-fetch: the CORS check).
func (p *Plan) CheckResponse(r Response) Verdict {
	v := Verdict{}
	if !p.CrossOrigin {
		v.pass("#main-fetch", "the page asks its own origin: it may read the answer")
		return v
	}
	p.check(&v, r.Headers)
	return v
}

// check is Fetch, #cors-check.
func (p *Plan) check(v *Verdict, hs Headers) {
	allowed, ok := hs.Get("Access-Control-Allow-Origin")
	credentials := p.credentials == Include
	switch {
	case !ok:
		v.fail(checkSection, "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
			"there is no Access-Control-Allow-Origin")
	case allowed == "*" && !credentials:
		v.pass(checkSection, "Access-Control-Allow-Origin is *, and no credentials are asked for")
	case allowed == "*":
		v.fail(checkSection, "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's credentials mode is 'include'.",
			"Access-Control-Allow-Origin is *, which does not hold with credentials")
	case allowed != p.origin:
		v.fail(checkSection, mismatch(allowed), "Access-Control-Allow-Origin is %q, not %q", allowed, p.origin)
	default:
		v.pass(checkSection, "Access-Control-Allow-Origin is the page's origin")
		p.checkCredentials(v, hs, credentials)
	}
}

// mismatch is what Chromium says of an Access-Control-Allow-Origin that is not
// the page's origin.
func mismatch(allowed string) string {
	if strings.ContainsAny(allowed, " ,") {
		return fmt.Sprintf("The 'Access-Control-Allow-Origin' header contains multiple values '%s', but only one is allowed.", allowed)
	}
	if u, err := url.Parse(allowed); allowed != "null" && (err != nil || u.Scheme == "") {
		return fmt.Sprintf("The 'Access-Control-Allow-Origin' header contains the invalid value '%s'.", allowed)
	}
	return fmt.Sprintf("The 'Access-Control-Allow-Origin' header has a value '%s' that is not equal to the supplied origin.", allowed)
}

// checkCredentials is steps 5 to 8 of Fetch, #cors-check: the value has case.
func (p *Plan) checkCredentials(v *Verdict, hs Headers, asked bool) {
	value, _ := hs.Get("Access-Control-Allow-Credentials")
	switch {
	case !asked:
		v.pass(checkSection, "no credentials are asked for")
	case value == "true":
		v.pass(checkSection, "Access-Control-Allow-Credentials is true")
	default:
		v.fail(checkSection, fmt.Sprintf("The value of the 'Access-Control-Allow-Credentials' header in the response is '%s' which must be 'true' when the request's credentials mode is 'include'.", value),
			"credentials are asked for, and Access-Control-Allow-Credentials is %q instead of \"true\"", value)
	}
}

const preflightSection = "#cors-preflight-fetch"

// CheckPreflight says whether the answer to the preflight lets the request be
// sent (Fetch, #cors-preflight-fetch, step 7).
func (p *Plan) CheckPreflight(r Response) Verdict {
	v := Verdict{}
	if !p.CrossOrigin {
		v.pass("#main-fetch", "the page asks its own origin: no browser sends this preflight")
		return v
	}
	if p.check(&v, r.Headers); v.Blocked {
		v.Console = "Response to preflight request doesn't pass access control check: " + v.Console
	}
	// A redirect is said first: Chromium stops there.
	if isRedirect(r) {
		v = Verdict{}
		v.fail(preflightSection, "Response to preflight request doesn't pass access control check: Redirect is not allowed for a preflight request.",
			"the status is %d: a preflight follows no redirect", r.Status)
	}
	if !v.Blocked {
		checkStatus(&v, r.Status)
	}
	if !v.Blocked {
		p.checkLists(&v, r.Headers)
	}
	return v
}

// isRedirect reports whether there is somewhere to go (Fetch,
// #concept-response-location-url).
func isRedirect(r Response) bool {
	switch r.Status {
	case 301, 302, 303, 307, 308:
		_, ok := r.Headers.Get("Location")
		return ok
	}
	return false
}

// checkStatus wants an ok status (Fetch, #ok-status).
func checkStatus(v *Verdict, status int) {
	if status < 200 || status > 299 {
		v.fail(preflightSection, "Response to preflight request doesn't pass access control check: It does not have HTTP ok status.",
			"the status is %d, not one of 200 to 299", status)
		return
	}
	v.pass(preflightSection, "the status is %d", status)
}

// list reads a header that lists tokens (Fetch, #extract-header-list-values).
// The verdict is blocked where something is none.
func list(v *Verdict, hs Headers, name string) []string {
	value, _ := hs.Get(name)
	names := members(value)
	if !v.Blocked && slices.ContainsFunc(names, func(n string) bool { return !policy.IsToken(n) }) {
		v.fail(preflightSection, "Cannot parse "+name+" response header field in preflight response.", "%s is no list of names", name)
	}
	return names
}

// The names of the headers that list what a preflight grants.
const (
	allowMethods = "Access-Control-Allow-Methods"
	allowHeaders = "Access-Control-Allow-Headers"
)

// checkLists is the sub-steps 2 to 8: both lists are read before either is used.
func (p *Plan) checkLists(v *Verdict, hs Headers) {
	methods, names := list(v, hs, allowMethods), list(v, hs, allowHeaders)
	if !v.Blocked {
		p.checkMethod(v, methods)
	}
	for i := range names {
		names[i] = strings.ToLower(names[i])
	}
	for _, u := range p.Unsafe {
		if !v.Blocked {
			p.checkHeader(v, u.Name, names)
		}
	}
}

// checkMethod is sub-steps 5 and 6: methods have case, safelisted ones need not
// be listed, and "*" does not hold with credentials.
func (p *Plan) checkMethod(v *Verdict, methods []string) {
	switch {
	case slices.Contains(methods, p.Method):
		v.pass(preflightSection, "%s lists %s", allowMethods, p.Method)
	case isSafelistedMethod(p.Method):
		v.pass(preflightSection, "%s need not be listed", p.Method)
	case slices.Contains(methods, "*") && p.credentials != Include:
		v.pass(preflightSection, "%s has *, and no credentials are asked for", allowMethods)
	default:
		v.fail(preflightSection, "Method "+p.Method+" is not allowed by "+allowMethods+" in preflight response.",
			"%s does not list %s%s", allowMethods, p.Method, starless(methods))
	}
}

// starless says why a "*" among names was of no use.
func starless(names []string) string {
	if slices.Contains(names, "*") {
		return ", and * does not hold with credentials"
	}
	return ""
}

// checkHeader is sub-steps 7 and 8: names have no case, and "*" holds neither
// with credentials nor for Authorization (Fetch,
// #cors-non-wildcard-request-header-name).
func (p *Plan) checkHeader(v *Verdict, header string, names []string) {
	refuse := func(why string) {
		v.fail(preflightSection, "Request header field "+header+" is not allowed by "+allowHeaders+" in preflight response.",
			"%s does not list %s%s", allowHeaders, header, why)
	}
	switch {
	case slices.Contains(names, header):
		v.pass(preflightSection, "%s lists %s", allowHeaders, header)
	case p.credentials == Include || !slices.Contains(names, "*"):
		refuse(starless(names))
	case header == "authorization":
		refuse(", and * does not stand for it")
		v.ButChromium = true
	default:
		v.pass(preflightSection, "%s has *, which stands for %s", allowHeaders, header)
	}
}
