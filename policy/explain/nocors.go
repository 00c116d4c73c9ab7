package explain

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// Mode is a request's mode (Fetch, #concept-request-mode).
type Mode string

// The modes. The zero Mode means CORS. In the other modes no header of an answer decides
// who may read it.
const (
	CORS      Mode = "cors"
	Navigate  Mode = "navigate"  // a document is opened: a link, a form
	NoCORS    Mode = "no-cors"   // an image, a script, a beacon: the page sees nothing of the answer
	WebSocket Mode = "websocket" // a handshake
)

// says returns a sentence that is true for every request of a mode.
func (m Mode) says() string {
	switch m {
	case Navigate:
		return "a navigation is not a CORS request: the browser opens the answer, whatever its headers are"
	case NoCORS:
		return "a no-cors request is sent without asking, and the page sees nothing of the answer"
	}
	return "CORS is not applied to WebSocket: the handshake carries an Origin, and the application has to check it"
}

// runWithoutCORS is run for the modes other than CORS: what counts is whether
// the request reaches the upstream.
func runWithoutCORS(set *policy.Set, a asked) trip {
	t := trip{plan: browser.Plan{CrossOrigin: a.Origin != a.target, Method: a.Method, Headers: a.Headers}}
	t.plan.Steps = []browser.Step{{OK: true, Says: a.Mode.says(), Section: "#concept-request-mode"}}
	t.request = t.ask(set, a, a.request(a.Method, a.headersWithoutCORS()), a.Upstream)
	t.request.Sent = a.headersWithoutCORS()
	t.request.Headers = slices.DeleteFunc(t.request.Headers, func(h browser.Header) bool { return policy.IsCORSHeader(h.Name) })
	t.allowed = t.request.Forwarded
	return t
}

// headersWithoutCORS returns the headers with an Origin if the request is for WebSocket or
// may change something (Fetch, #append-a-request-origin-header).
func (a *asked) headersWithoutCORS() browser.Headers {
	if safe := a.Method == "GET" || a.Method == "HEAD"; safe && a.Mode != WebSocket {
		return a.Headers
	}
	return append(browser.Headers{{Name: "Origin", Value: a.Origin}}, a.Headers...)
}

// becauseWithoutCORS says on one line what happens to the request. s is the chosen policy,
// or nil.
func (t *trip) becauseWithoutCORS(a asked, s *policy.Spec) string {
	if t.allowed {
		return fmt.Sprintf("it reaches the application (%s): %s", t.request.Reason, a.Mode.says())
	}
	if s == nil {
		return fmt.Sprintf("it is answered with %d, and the application does not see it (%s)", t.request.Status, t.request.Reason)
	}
	return fmt.Sprintf("policy %s answers it with %d for its deniedRequests: %s, and the application does not see it (%s)",
		s.Name, t.request.Status, s.DeniedRequests, t.request.Reason)
}

// hearHandshake makes a WebSocket handshake fail if the upstream does not accept it. It
// accepts with 101, or with 200 to 299 over HTTP/2 (WebSockets,
// #concept-websocket-establish; RFC 8441, section 5).
func (r *Report) hearHandshake() {
	if r.Question.Mode != WebSocket || !r.Allowed {
		return
	}
	if s := r.Request.Status; s != http.StatusSwitchingProtocols && s/100 != 2 {
		r.failOtherwise(fmt.Sprintf("the upstream answers the handshake with %d, so no WebSocket is opened: CORS and corsgate have no part in that (%s), look at why the application refuses", s, r.Request.Reason))
	}
}

// navigationCause is for a blocked navigation.
func navigationCause(a asked) string {
	if a.Origin == "null" {
		// Fetch, #append-a-request-origin-header; HTML, #concept-origin-opaque.
		return "the page hides its origin (Referrer-Policy: no-referrer), or has none of its own (a sandboxed frame, a file, a redirect between other sites): every site can post a form so; have the page send its origin if it is yours"
	}
	return fmt.Sprintf("%s opens a page of %s, as an identity provider does that posts its answer; that is not a reason to let it read answers, so leave allowOrigins as it is", a.Origin, a.target)
}

// letPass is the remedy for a navigation that the policy of that name blocks. It is a
// policy only for that path, which lets denied requests pass and allows only the site's
// own origin. If the blocking policy is only for that path, the remedy changes it. It is
// nil if that does not help, as when Envoy names the policy whatever the path is.
func (ps Policies) letPass(a asked, name string) *Remedy {
	s := ps.spec(name)
	if s == nil {
		return nil
	}
	host := strings.ToLower(a.url.Hostname())
	path := strings.TrimRight(a.path, "/")
	pass := Change{Field: fieldDenied, Set: string(policy.DeniedPass)}
	r := &Remedy{Policy: name, Changes: []Change{pass}}
	if sc := s.Scope(a.url.Host, path, false); sc.Host != host || sc.Path != path {
		r.Policy = newName(ps)
		r.Changes = []Change{
			{Field: fieldName, Set: r.Policy}, {Field: fieldHosts, Add: []string{host}}, {Field: fieldPaths, Add: []string{cmp.Or(path, "/")}},
			pass, {Field: fieldOrigins, Add: []string{a.target}},
		}
	}
	valid, problems := policy.Validate(r.changed(ps.Set.Specs()))
	if problems.HasErrors() {
		return ps.judge(r, a)
	}
	if t := runWithoutCORS(policy.Compile(valid), a); !t.allowed {
		return nil
	}
	r.Costs = []string{"deniedRequests: pass gives up the protection from forged requests (CSRF) here: forms of every site reach the application, which has to tell them apart itself, " +
		"by a token of its own, or by the signature and the state of SAML and OpenID Connect"}
	return ps.judge(r, a)
}
