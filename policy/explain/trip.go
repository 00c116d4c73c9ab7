package explain

import (
	"cmp"
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
	// allowed says that the page may read the answer. undecided says that an answer of the
	// upstream decides, and is not known.
	allowed, undecided bool
}

// last returns the exchange that decided, nil when nothing was sent.
func (t *trip) last() *Exchange {
	if t.request == nil || !t.request.Blocked && t.preflight.isUndecided() {
		return t.preflight
	}
	return t.request
}

// preflightSection is the section of Fetch about a preflight's answer.
const preflightSection = "#cors-preflight-fetch"

// run lets the engine make the request, and set decide about it.
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
		t.preflight = t.ask(set, a, a.request("OPTIONS", t.asks), a.preflightUpstream())
		t.preflight.judge(t.plan.CheckPreflight, a.preflightUpstream())
		t.preflight.followFrom(a.Upstream)
	}
	if t.plan.Refused != "" || t.preflight != nil && t.preflight.Blocked {
		return t
	}
	t.request = t.ask(set, a, a.request(t.plan.Method, t.sentHeaders(a)), a.Upstream)
	t.request.judge(t.plan.CheckResponse, a.Upstream)
	t.undecided = t.last().Undecided
	t.allowed = !t.undecided && !t.request.Blocked
	if t.allowed {
		_, t.request.Hidden = t.plan.Readable(t.request.response())
	}
	return t
}

// sentHeaders are the headers of the request itself.
func (t *trip) sentHeaders(a asked) browser.Headers {
	if !t.plan.SendsOrigin() {
		return t.plan.Headers
	}
	return append(browser.Headers{{Name: "Origin", Value: a.Origin}}, t.plan.Headers...)
}

// trips are the trips of all engines in their order. A request without CORS has one trip
// for all, without an engine.
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

// telling returns the first trip that fails, or else the first that is undecided, or else
// the first one. Among equal ones it prefers an engine that sends a copied preflight by
// itself.
func (ts trips) telling() trip {
	best := ts[0]
	for _, t := range ts[1:] {
		worse := cmp.Compare(t.verdict(), best.verdict())
		if worse > 0 || worse == 0 && !best.sends() && t.sends() {
			best = t
		}
	}
	return best
}

// The verdicts, the most important one last.
const (
	allowed = iota
	undecided
	blocked
)

func (t *trip) verdict() int {
	switch {
	case t.allowed:
		return allowed
	case t.undecided:
		return undecided
	}
	return blocked
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
	case t.undecided:
		return ts.whoDepends() + t.dependence()
	default:
		return ts.whoBlocks() + " because of " + t.failure()
	}
}

// whoBlocks names the browsers that block, and those that do not if there are any.
func (ts trips) whoBlocks() string {
	pass := ts.names(allowed)
	if pass == "" {
		return "browsers would block this"
	}
	return ts.names(blocked) + " would block this, " + pass + " would not,"
}

// whoDepends names the browsers that need the upstream's answer if not all do.
func (ts trips) whoDepends() string {
	if ts.names(allowed) == "" {
		return ""
	}
	return "in " + ts.names(undecided) + " "
}

// names returns the names of the engines with that verdict.
func (ts trips) names(verdict int) string {
	var names []string
	for _, t := range ts {
		if t.verdict() == verdict {
			names = append(names, t.engine.Name())
		}
	}
	return strings.Join(names, " and ")
}

// dependence says which answer decides. How to give it depends on who reads this.
func (t *trip) dependence() string {
	answer := "the upstream's answer"
	if t.last() == t.preflight {
		answer += " to the preflight"
	}
	missing := "which is not known"
	if t.last().Status != 0 {
		missing = "whose headers are not known"
	}
	return fmt.Sprintf("it depends on %s, %s (%s)", answer, missing, t.last().Reason)
}

// failure says which answer fails, and at which check.
func (t *trip) failure() string {
	last := t.last()
	answer := "the answer"
	if t.request == nil {
		answer = "the preflight's answer"
	}
	return fmt.Sprintf("%s: %s (%s)", answer, last.Steps[len(last.Steps)-1].Says, last.Reason)
}

// verdicts returns the verdict of each engine.
func (ts trips) verdicts(a asked) (list []EngineVerdict) {
	for _, t := range ts {
		if t.engine == "" || t.plan.Refused != "" {
			return nil
		}
		last := t.last()
		v := EngineVerdict{Engine: t.engine, Allowed: t.allowed, Undecided: t.undecided, Console: t.plan.ConsoleLine(a.url.String(), last.Verdict)}
		switch t.verdict() {
		case undecided:
			v.Because = t.dependence()
		case blocked:
			v.Because = t.failure()
		}
		list = append(list, v)
	}
	return list
}
