package explain

import (
	"fmt"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// Policies are those to explain: a Set and the specs that it was compiled from.
// It is safe for concurrent use.
type Policies struct {
	Set   *policy.Set
	Specs []policy.Spec
}

// Explain answers q. The error says what of the question cannot be understood.
// It takes a time that grows with the number of policies and of the chosen
// one's origins: some seconds for a million.
func (ps Policies) Explain(q Question) (Report, error) {
	a, err := read(q)
	if err != nil {
		return Report{}, err
	}
	r := Report{Question: a.Question, Notes: notes(q, a)}
	r.Policy = ps.choice(a)
	t := run(ps.Set, a)
	r.Before, r.Preflight, r.Request = t.plan.Steps, t.preflight, t.request
	r.Shadow = t.shadow
	r.Allowed, r.Because = t.allowed, t.because()
	if s := ps.spec(r.Policy.Name); s != nil {
		r.Origin = originReport(s, a.Origin)
		r.Cause = t.cause(s, r.Origin)
	}
	if t.isAmbiguous() {
		r.Cause = ambiguousCause(r.Policy)
	}
	r.Console = t.console(a)
	if !r.Allowed && !t.isAmbiguous() {
		r.Remedy = ps.remedy(a, t, r.Origin)
	}
	return r, nil
}

// spec returns the spec of that name, or nil.
func (ps Policies) spec(name string) *policy.Spec {
	for i := range ps.Specs {
		if name != "" && ps.Specs[i].Name == name {
			return &ps.Specs[i]
		}
	}
	return nil
}

// isAmbiguous reports whether the request is denied for the spelling of its path.
func (t *trip) isAmbiguous() bool {
	last := t.last()
	return last != nil && last.Reason == policy.ReasonPathAmbiguous.String()
}

// trip is a request from its page to the upstream and back.
type trip struct {
	plan               browser.Plan
	asks               browser.Headers // those of the preflight, nil without one
	preflight, request *Exchange
	shadow             *Shadow
	allowed            bool
}

// last returns the exchange that decided, nil when nothing was sent.
func (t *trip) last() *Exchange {
	if t.request != nil {
		return t.request
	}
	return t.preflight
}

// run has the browser make the request, and set decide on it.
func run(set *policy.Set, a asked) trip {
	t := trip{plan: browser.MakePlan(browser.Request{
		Origin: a.Origin, Target: a.target, Method: a.Method, Headers: a.Headers,
		Credentials: a.Credentials, UsePreflight: a.Upload,
	})}
	if t.asks = a.copied; t.plan.Preflight && !a.Bare && t.asks == nil {
		t.asks = t.plan.PreflightHeaders()
	}
	if t.asks != nil {
		t.preflight = t.ask(set, a, a.request("OPTIONS", t.asks))
		t.preflight.Verdict = t.plan.CheckPreflight(t.preflight.response())
	}
	if t.plan.Refused != "" || t.preflight != nil && t.preflight.Blocked {
		return t
	}
	t.request = t.ask(set, a, a.request(t.plan.Method, t.sentHeaders(a)))
	t.request.Verdict = t.plan.CheckResponse(t.request.response())
	t.allowed = !t.request.Blocked
	if t.allowed {
		_, t.request.Hidden = t.plan.Readable(t.request.response())
	}
	return t
}

// sentHeaders are those of the request itself.
func (t *trip) sentHeaders(a asked) browser.Headers {
	if !t.plan.SendsOrigin() {
		return t.plan.Headers
	}
	return append(browser.Headers{{Name: "Origin", Value: a.Origin}}, t.plan.Headers...)
}

// because says on one line why the request is allowed or blocked.
func (t *trip) because() string {
	switch last := t.last(); {
	case t.plan.Refused != "":
		return "every browser would refuse this: " + t.plan.Refused
	case t.allowed:
		return "the page may read the answer: " + last.Steps[0].Says
	case last.ButChromium:
		return fmt.Sprintf("Firefox and Safari would block this, Chrome would not, because of the preflight's answer: %s (%s)", lastStep(last), last.Reason)
	case t.request == nil:
		return fmt.Sprintf("Chrome would block this because of the preflight's answer: %s (%s)", lastStep(last), last.Reason)
	default:
		return fmt.Sprintf("Chrome would block this because of the answer: %s (%s)", lastStep(last), last.Reason)
	}
}

func lastStep(e *Exchange) string { return e.Steps[len(e.Steps)-1].Says }

// console is the line that Chromium writes, or none.
func (t *trip) console(a asked) string {
	last := t.last()
	if last == nil || t.plan.Refused != "" || last.Console == "" || last.ButChromium {
		return ""
	}
	return fmt.Sprintf("Access to fetch at '%s' from origin '%s' has been blocked by CORS policy: %s", a.url, a.Origin, last.Console)
}

// notes are what a reader may not expect of the question.
func notes(q Question, a asked) (list []string) {
	_, names := q.Headers.Get("Access-Control-Request-Method")
	switch {
	case a.Bare:
		list = append(list, "no Access-Control-Request-Method, so not a preflight: it is forwarded as any other request")
	case a.Method == "OPTIONS" && !names:
		list = append(list, "no Access-Control-Request-Method, so not a preflight: for one, name the method of the request that it is for")
	case a.Method != q.Method && q.Method == "OPTIONS":
		list = append(list, "this is the preflight of a "+a.Method+" request, which is explained with it")
	}
	if s := a.Upstream.Status; s/100 == 3 && s != 304 {
		list = append(list, "the redirect is not followed here: explain its target too, with the origin null when it leads to another origin than the URL's")
	}
	return list
}
