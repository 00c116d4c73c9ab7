package explain

import (
	"fmt"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// notes says what a reader may not expect about the question and its answers.
func notes(q Question, a asked, t trip) (list []string) {
	if note := preflightNote(q, a); note != "" {
		list = append(list, note)
	}
	if note := a.cookieNote(); note != "" {
		list = append(list, note)
	}
	if s := a.Upstream.Status; a.Mode == CORS && s/100 == 3 && s != 304 {
		list = append(list, redirectNotes(t)...)
	}
	if t.allowed && t.request.defers && !a.Upstream.known() && t.plan.Checks() {
		list = append(list, "this holds if the upstream sends no Access-Control-Allow-Origin of its own, which would stay: if it does, explain a HAR file, which has its answer")
	}
	if t.hidesCause() {
		list = append(list, "no console names the cause: a 403 without CORS headers looks as if the origin were denied (with debug: true in the policy they could tell)")
	}
	return list
}

// preflightNote is for requests with the method OPTIONS.
func preflightNote(q Question, a asked) string {
	_, names := q.Headers.Get("Access-Control-Request-Method")
	switch {
	case a.Bare:
		return "no Access-Control-Request-Method, so not a preflight: it is forwarded as any other request"
	case a.Method == "OPTIONS" && !names:
		return "no Access-Control-Request-Method, so not a preflight: for one, name the method of the request that it is for"
	case a.Method != q.Method && q.Method == "OPTIONS":
		return "this is the preflight of a " + a.Method + " request, which is explained with it"
	}
	return ""
}

// cookieNote is for requests with cookies from another site: SameSite decides
// first (RFC 6265bis, section 5.8.3; HTML, #same-site).
func (a *asked) cookieNote() string {
	if a.Mode == CORS && a.Credentials != browser.Include || a.Origin == a.target {
		return ""
	}
	page, err := policy.ParseOrigin(a.Origin)
	target, _ := policy.ParseOrigin(a.target)
	if err == nil && sameSite(page, target) {
		return ""
	}
	sent := "only those with SameSite=None and Secure are sent, and browsers that block third-party cookies send none"
	if a.Mode == Navigate {
		sent = "those with SameSite=Strict are not sent, and with a form's POST only those with SameSite=None and Secure are"
	}
	return fmt.Sprintf("%s and %s are not same-site, so SameSite decides about cookies before CORS does: %s", a.Origin, a.target, sent)
}

// redirectNotes says what is true for the target of a redirect. If it names an engine, that
// was tried with Chromium 156, Firefox 153 and WebKit 2.50.
func redirectNotes(t trip) []string {
	list := []string{"the redirect is not followed here: explain its target too, with the origin null when it leads to another origin than the URL's"}
	if t.preflight == nil {
		return list
	}
	return append(list, "if it leads to another origin, the preflight there is from null in Chrome and Safari, and from the page's own origin in Firefox, "+
		"whose request after it is from null; Authorization does not go along, though Safari's preflight asks for it")
}

// hidesCause reports whether consoles complain about something else than what was denied.
func (t *trip) hidesCause() bool {
	last := t.last()
	if t.allowed || last == nil || last.Status != 403 || t.plan.Refused != "" {
		return false
	}
	switch last.Reason {
	case policy.ReasonPreflightMethodDenied.String(), policy.ReasonPreflightHeaderDenied.String():
		return true
	}
	return false
}
