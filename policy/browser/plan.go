package browser

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Plan is what a browser makes of a Request before anything is sent.
type Plan struct {
	// Refused says why the browser throws instead of sending anything; empty
	// when it does not.
	Refused string
	// CrossOrigin tells whether CORS has a say at all, and Unchecked that the
	// engine does without.
	CrossOrigin, Unchecked bool
	// Method and Headers are what the request will have: the method normalised,
	// the headers without forbidden ones, whose names are Dropped.
	Method  string
	Headers Headers
	Dropped []string
	// Unsafe are the headers that need a preflight, sorted by name.
	Unsafe []Unsafe
	// Preflight tells whether one is sent, and Steps what it depends on.
	Preflight bool
	Steps     []Step

	engine      Engine
	origin      string
	credentials Credentials
	flagged     bool
}

// Step is one thing that a browser checks.
type Step struct {
	// OK is false where the request goes no further, or needs a preflight.
	OK bool `json:"ok"`
	// Says is what was found, and Section where the Fetch standard has the rule.
	Says    string `json:"says"`
	Section string `json:"section"`
}

// MakePlan returns what a browser makes of r (Fetch, #main-fetch): a request of
// another origin needs a preflight when its method or one of its headers is not
// safelisted, or when its upload is listened to.
func MakePlan(r Request) Plan {
	p := Plan{
		CrossOrigin: r.Origin == "null" || r.Origin != r.Target,
		Method:      policy.NormaliseMethod(r.Method),
		Refused:     refuse(r),
		engine:      cmp.Or(r.Engine, Chromium),
		origin:      r.Origin,
		credentials: r.Credentials,
	}
	// XMLHttpRequest, #the-send()-method, sets the flag for listeners alone;
	// Chromium wants something to upload, too.
	p.flagged = r.UsePreflight && (p.engine != Chromium || p.Method != "GET" && p.Method != "HEAD")
	// CSS Fonts 4, #font-fetching-requirements, wants the mode "cors"; WebKit's is "no-cors".
	p.Unchecked = r.Font && p.engine == WebKit
	p.setHeaders(r.Headers)
	switch {
	case p.Refused != "":
	case !p.CrossOrigin:
		p.step(true, "#main-fetch", "the page asks its own origin: CORS does not apply")
	case p.Unchecked:
		p.step(true, "#cors-request", p.engine.Name()+" loads fonts without CORS")
	default:
		p.plan()
	}
	return p
}

// refuse is the constructor of a request (Fetch, #dom-request): it throws for
// what is not a token and for forbidden methods.
func refuse(r Request) string {
	if !policy.IsToken(r.Method) {
		return fmt.Sprintf("%q is not an HTTP method", r.Method)
	}
	if policy.IsForbiddenMethod(r.Method) {
		return r.Method + " is a method that no page can send"
	}
	for _, h := range r.Headers {
		if !policy.IsToken(h.Name) {
			return fmt.Sprintf("%q is not a header name", h.Name)
		}
	}
	return ""
}

func (p *Plan) setHeaders(hs Headers) {
	for _, h := range hs {
		if isForbidden(h) {
			p.Dropped = append(p.Dropped, strings.ToLower(h.Name))
			continue
		}
		p.Headers = append(p.Headers, h)
	}
}

func (p *Plan) plan() {
	safe := policy.IsSafelistedMethod(p.Method)
	if safe {
		p.step(true, "#cors-safelisted-method", p.Method+" needs no preflight")
	} else {
		p.step(false, "#cors-safelisted-method", p.Method+" needs a preflight: only GET, HEAD and POST do not")
	}
	p.Unsafe = p.unsafeHeaders()
	for _, u := range p.Unsafe {
		p.step(false, "#cors-unsafe-request-header-names", fmt.Sprintf("the header %s needs a preflight: %s", u.Name, u.Why))
	}
	if len(p.Unsafe) == 0 {
		p.step(true, "#cors-unsafe-request-header-names", "no header needs a preflight")
	}
	if p.flagged {
		p.step(false, "#use-cors-preflight-flag", "an upload that is listened to needs a preflight")
	}
	p.Preflight = !safe || len(p.Unsafe) > 0 || p.flagged
}

func (p *Plan) step(ok bool, section, says string) {
	p.Steps = append(p.Steps, Step{ok, says, section})
}

// PreflightHeaders returns the headers of the preflight that CORS is about
// (Fetch, #cors-preflight-fetch, steps 1 to 5).
func (p *Plan) PreflightHeaders() Headers {
	hs := Headers{{"Origin", p.origin}, {"Access-Control-Request-Method", p.Method}}
	if len(p.Unsafe) == 0 {
		return hs
	}
	names := make([]string, len(p.Unsafe))
	for i, u := range p.Unsafe {
		names[i] = u.Name
	}
	return append(hs, Header{"Access-Control-Request-Headers", strings.Join(names, ",")})
}

// Checks reports whether the engine looks at the CORS headers of an answer.
func (p *Plan) Checks() bool { return p.CrossOrigin && !p.Unchecked }

// SendsOrigin reports whether the request itself carries Origin (Fetch,
// #append-a-request-origin-header): the site's own only when it may change
// something.
func (p *Plan) SendsOrigin() bool {
	return p.Checks() || p.Method != "GET" && p.Method != "HEAD"
}
