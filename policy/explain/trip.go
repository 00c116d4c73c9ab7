package explain

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// trip is a request from its page to the upstream and back, in one engine.
type trip struct {
	engine             browser.Engine
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

// preflightSection is where Fetch has what a preflight tells.
const preflightSection = "#cors-preflight-fetch"

// run has the engine make the request, and set decide on it.
func run(set *policy.Set, a asked, engine browser.Engine) trip {
	t := trip{engine: engine, plan: browser.MakePlan(browser.Request{
		Engine: engine, Origin: a.Origin, Target: a.target, Method: a.Method, Headers: a.Headers,
		Credentials: a.Credentials, UsePreflight: a.Upload, Font: a.Font,
	})}
	if a.sentFor != "" && t.plan.Refused == "" && t.plan.CrossOrigin {
		t.plan.Steps = append(t.plan.Steps, browser.Step{OK: false, Says: a.sentFor, Section: preflightSection})
	}
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

// trips are those of all engines in their order. Of a request without CORS
// there is one for all, without an engine.
type trips []trip

func runAll(set *policy.Set, a asked) (all trips) {
	if a.Mode != CORS {
		return trips{runWithoutCORS(set, a)}
	}
	for _, engine := range browser.Engines() {
		all = append(all, run(set, a, engine))
	}
	return all
}

// telling returns the first trip that fails, or else the first one: of an engine
// that sends a preflight which was copied, if there is one.
func (ts trips) telling() trip {
	best := ts[0]
	for _, t := range ts[1:] {
		fails, sends := best.allowed && !t.allowed, best.allowed == t.allowed && !best.sends() && t.sends()
		if fails || sends {
			best = t
		}
	}
	return best
}

// sends reports whether the engine sends the preflight by itself.
func (t *trip) sends() bool { return t.preflight == nil || t.plan.Preflight }

// because says on one line why the request is allowed or blocked.
func (ts trips) because(a asked, s *policy.Spec) string {
	t := ts.telling()
	switch last := t.last(); {
	case a.Mode != CORS:
		return t.becauseWithoutCORS(a, s)
	case t.plan.Refused != "":
		return "every browser would refuse this: " + t.plan.Refused
	case t.allowed:
		return "the page may read the answer: " + last.Steps[0].Says
	default:
		return ts.whoBlocks() + " because of " + t.failure()
	}
}

// whoBlocks names the browsers that block, and those that do not if there are any.
func (ts trips) whoBlocks() string {
	var block, pass []string
	for _, t := range ts {
		if t.allowed {
			pass = append(pass, t.engine.Name())
		} else {
			block = append(block, t.engine.Name())
		}
	}
	if pass == nil {
		return "browsers would block this"
	}
	return strings.Join(block, " and ") + " would block this, " + strings.Join(pass, " and ") + " would not,"
}

// failure says which answer fails, and at what.
func (t *trip) failure() string {
	last := t.last()
	answer := "the answer"
	if t.request == nil {
		answer = "the preflight's answer"
	}
	return fmt.Sprintf("%s: %s (%s)", answer, last.Steps[len(last.Steps)-1].Says, last.Reason)
}

// verdicts are what the engines make of it, each on its own.
func (ts trips) verdicts(a asked) (list []EngineVerdict) {
	for _, t := range ts {
		if t.engine == "" || t.plan.Refused != "" {
			return nil
		}
		last := t.last()
		v := EngineVerdict{Engine: t.engine, Allowed: t.allowed, Console: t.plan.ConsoleLine(a.url.String(), last.Verdict)}
		if !t.allowed {
			v.Because = t.failure()
		}
		list = append(list, v)
	}
	return list
}
