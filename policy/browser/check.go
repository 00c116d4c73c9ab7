package browser

import (
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Verdict is how an engine judges an answer.
type Verdict struct {
	// Blocked says that the request fails: it is not sent, or its answer is not
	// read.
	Blocked bool `json:"blocked"`
	// Steps are the checks in their order. If the request is blocked, the last one
	// failed.
	Steps []Step `json:"steps"`
	// Console is what the engine's console says of the failed check; see
	// Plan.ConsoleLine.
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
// or, if it is a redirect, whether the browser follows it (Fetch, #http-fetch:
// the CORS check).
func (p *Plan) CheckResponse(r Response) Verdict {
	v := Verdict{}
	switch {
	case !p.CrossOrigin:
		v.pass("#main-fetch", "it is of the page's own origin")
	case p.Unchecked:
		v.pass("#cors-request", "%s loads fonts without CORS", p.engine.Name())
	default:
		p.checkOrigin(&v, r)
	}
	return v
}

// checkOrigin is Fetch, #cors-check.
func (p *Plan) checkOrigin(v *Verdict, r Response) {
	allowed, ok := r.Headers.Get("Access-Control-Allow-Origin")
	refuse := func(w words, format string, args ...any) {
		v.fail(checkSection, p.said(w, "{value}", allowed, "{status}", strconv.Itoa(r.Status)), format, args...)
	}
	credentials := p.credentials == Include
	switch {
	case !ok:
		refuse(noOrigin, "there is no Access-Control-Allow-Origin")
	case r.Headers.lines("Access-Control-Allow-Origin") > 1:
		refuse(manyLines, "there are several Access-Control-Allow-Origin")
	case allowed == "*" && !credentials:
		v.pass(checkSection, "Access-Control-Allow-Origin is *, and no credentials are asked for")
	case allowed == "*":
		refuse(starOrigin, "Access-Control-Allow-Origin is *, which does not hold with credentials")
	case allowed != p.origin:
		refuse(mismatch(allowed), "Access-Control-Allow-Origin is %q, not %q", allowed, p.origin)
	default:
		v.pass(checkSection, "Access-Control-Allow-Origin is the page's origin")
		p.checkCredentials(v, r.Headers, credentials)
	}
}

// checkCredentials is steps 5 to 8 of Fetch, #cors-check: the value is
// case-sensitive.
func (p *Plan) checkCredentials(v *Verdict, hs Headers, asked bool) {
	value, _ := hs.Get("Access-Control-Allow-Credentials")
	switch {
	case !asked:
		v.pass(checkSection, "no credentials are asked for")
	case value == "true":
		v.pass(checkSection, "Access-Control-Allow-Credentials is true")
	default:
		v.fail(checkSection, p.said(noCredentials, "{value}", value),
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
	for _, check := range p.preflightChecks() {
		if !v.Blocked {
			check(&v, r)
		}
	}
	return v
}

// preflightChecks are in the order of the engine. The order decides what the
// console says about an answer with several faults. Firefox has the order of
// the standard. Chromium stops at a redirect at once, and WebKit at any bad
// status.
func (p *Plan) preflightChecks() []func(*Verdict, Response) {
	switch p.engine {
	case Firefox:
		return []func(*Verdict, Response){p.checkPreflightOrigin, p.checkRedirect, p.checkStatus, p.checkLists}
	case WebKit:
		return []func(*Verdict, Response){p.checkStatus, p.checkPreflightOrigin, p.checkLists}
	}
	return []func(*Verdict, Response){p.checkRedirect, p.checkPreflightOrigin, p.checkStatus, p.checkLists}
}

func (p *Plan) checkPreflightOrigin(v *Verdict, r Response) {
	p.checkOrigin(v, r)
	if v.Blocked && p.engine == Chromium {
		v.Console = "Response to preflight request doesn't pass access control check: " + v.Console
	}
}

// checkRedirect is about answers that lead elsewhere (Fetch,
// #concept-response-location-url).
func (p *Plan) checkRedirect(v *Verdict, r Response) {
	switch r.Status {
	case 301, 302, 303, 307, 308:
		if _, ok := r.Headers.Get("Location"); ok {
			v.fail(preflightSection, p.said(redirected), "the status is %d: a preflight follows no redirect", r.Status)
		}
	}
}

// checkStatus wants an ok status (Fetch, #ok-status).
func (p *Plan) checkStatus(v *Verdict, r Response) {
	if r.Status < 200 || r.Status > 299 {
		v.fail(preflightSection, p.said(badStatus, "{status}", strconv.Itoa(r.Status)), "the status is %d, not one of 200 to 299", r.Status)
		return
	}
	v.pass(preflightSection, "the status is %d", r.Status)
}

// The names of the headers that list what a preflight grants.
const (
	allowMethods = "Access-Control-Allow-Methods"
	allowHeaders = "Access-Control-Allow-Headers"
)

// checkLists is the sub-steps 2 to 8: both lists are read before either is used,
// except in Firefox.
func (p *Plan) checkLists(v *Verdict, r Response) {
	methods := p.list(v, r.Headers, allowMethods)
	if p.engine == Firefox && !v.Blocked {
		p.checkMethod(v, methods)
	}
	names := p.list(v, r.Headers, allowHeaders)
	if p.engine != Firefox && !v.Blocked {
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

// list reads a header that lists tokens (Fetch, #extract-header-list-values).
// If something is not a token, the verdict is blocked.
func (p *Plan) list(v *Verdict, hs Headers, name string) []string {
	value, _ := hs.Get(name)
	names := members(value)
	wrong := slices.IndexFunc(names, func(n string) bool { return !policy.IsToken(n) })
	if v.Blocked || wrong < 0 {
		return names
	}
	if p.engine == Firefox {
		value = names[wrong]
	}
	v.fail(preflightSection, p.said(noList, "{header}", name, "{value}", value), "%s is not a list of names", name)
	return names
}

// checkMethod is sub-steps 5 and 6: methods are case-sensitive, safelisted ones
// need not be listed, and "*" does not count with credentials.
func (p *Plan) checkMethod(v *Verdict, methods []string) {
	switch {
	case slices.Contains(methods, p.Method):
		v.pass(preflightSection, "%s lists %s", allowMethods, p.Method)
	case policy.IsSafelistedMethod(p.Method):
		v.pass(preflightSection, "%s need not be listed", p.Method)
	case slices.Contains(methods, "*") && p.credentials != Include:
		v.pass(preflightSection, "%s has *, and no credentials are asked for", allowMethods)
	default:
		v.fail(preflightSection, p.said(noMethod), "%s does not list %s%s", allowMethods, p.Method, starless(methods))
	}
}

// starless says why a "*" among names did not help.
func starless(names []string) string {
	if slices.Contains(names, "*") {
		return ", and * does not hold with credentials"
	}
	return ""
}

// checkHeader is sub-steps 7 and 8: names are not case-sensitive, and "*" does
// not count with credentials. For Authorization it should never hold (Fetch,
// #cors-non-wildcard-request-header-name), but every engine lets it: Firefox
// warns that it will not for long.
func (p *Plan) checkHeader(v *Verdict, header string, names []string) {
	star := slices.Contains(names, "*") && p.credentials != Include
	switch {
	case slices.Contains(names, header):
		v.pass(preflightSection, "%s lists %s", allowHeaders, header)
	case star && header == "authorization":
		v.pass(preflightSection, "%s has *, which should not cover %s by the standard, but does in all browsers: list it", allowHeaders, header)
	case star:
		v.pass(preflightSection, "%s has *, which covers %s", allowHeaders, header)
	default:
		v.fail(preflightSection, p.said(noHeader, "{header}", p.spelled(header)), "%s does not list %s%s", allowHeaders, header, starless(names))
	}
}

// spelled returns the header's name as the engine's console has it. WebKit's
// has it as the page wrote it, except for names that WebKit knows.
func (p *Plan) spelled(header string) string {
	if p.engine != WebKit {
		return header
	}
	if _, known := safelist[header]; known || header == "authorization" || header == "user-agent" {
		return textproto.CanonicalMIMEHeaderKey(header)
	}
	for _, h := range p.Headers {
		if strings.EqualFold(h.Name, header) {
			return h.Name
		}
	}
	return header
}
