package explain_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// upstreamSpecs are policies that leave something to the upstream.
func upstreamSpecs() []policy.Spec {
	return append(specs(), policy.Spec{
		Name: "both", Hosts: []string{"both.example.com"}, UpstreamHeaders: policy.UpstreamDefer, UnmatchedPreflights: policy.UnmatchedForward,
		CORS: policy.CORS{AllowOrigins: []string{app}},
	})
}

func answered(lines ...string) explain.Upstream {
	u := explain.Upstream{Status: 200, Headers: browser.Headers{}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		u.Headers = append(u.Headers, browser.Header{Name: name, Value: value})
	}
	return u
}

// verdictOf is the one verdict of r.
func verdictOf(r explain.Report) string {
	switch {
	case r.Allowed:
		return "allowed"
	case r.Undecided:
		return "undecided"
	case r.FailsOtherwise:
		return "failed otherwise"
	}
	return "blocked"
}

// TestTheUpstreamDecides asks about all that a policy leaves to the upstream,
// with its answer and without.
func TestTheUpstreamDecides(t *testing.T) {
	const other, star, grants = "https://other.test", "access-control-allow-origin: *", "access-control-allow-methods: PUT"
	unknown := &explain.Upstream{}
	known := func(u explain.Upstream) *explain.Upstream { return &u }
	for name, c := range map[string]struct {
		host, method, verdict, because string
		upstream                       explain.Upstream
		preflight                      *explain.Upstream
	}{
		"no policy":                                    {"nobody", "GET", "undecided", "it depends on the upstream's answer, which is not known (no_policy)", explain.Upstream{}, nil},
		"no policy, and it allows":                     {"nobody", "GET", "allowed", "Access-Control-Allow-Origin is *", answered(star), nil},
		"no policy, and it does not allow":             {"nobody", "GET", "blocked", "there is no Access-Control-Allow-Origin (no_policy)", answered(), nil},
		"no policy and a preflight":                    {"nobody", "PUT", "undecided", "it depends on the upstream's answer to the preflight, which is not known", explain.Upstream{}, nil},
		"no policy, and one answer to both":            {"nobody", "PUT", "allowed", "", answered(star, grants), nil},
		"no policy, and the preflight is refused":      {"nobody", "PUT", "blocked", "the preflight's answer: Access-Control-Allow-Methods does not list PUT", explain.Upstream{}, known(answered(star))},
		"no policy, and the preflight alone is known":  {"nobody", "PUT", "undecided", "it depends on the upstream's answer, which", explain.Upstream{}, known(answered(star, grants))},
		"no policy, and each has its answer":           {"nobody", "PUT", "allowed", "", answered(star), known(answered(star, grants))},
		"no policy, and the preflight is not recorded": {"nobody", "PUT", "allowed", "", answered(star), unknown},
		"no policy, and only the status is known":      {"nobody", "GET", "undecided", "whose headers are not known (no_policy)", explain.Upstream{Status: 404}, nil},
		"no policy, and a request that was answered":   {"nobody", "PUT", "undecided", "it depends on the upstream's answer, whose", explain.Upstream{Status: 404}, unknown},
		"no policy, and only the headers are known":    {"nobody", "GET", "blocked", "there is no Access-Control-Allow-Origin", explain.Upstream{Headers: browser.Headers{}}, nil},
		"off":                          {"off", "GET", "undecided", "(policy_off)", explain.Upstream{}, nil},
		"off, and it allows":           {"off", "GET", "allowed", "", answered(star), nil},
		"shadow":                       {"new", "GET", "undecided", "(no_policy)", explain.Upstream{}, nil},
		"defer":                        {"defer", "GET", "undecided", "(request_origin_denied)", explain.Upstream{}, nil},
		"defer, and it allows":         {"defer", "GET", "allowed", "", answered(star), nil},
		"defer, and it does not allow": {"defer", "GET", "blocked", "there is no Access-Control-Allow-Origin", answered(), nil},
		"defer, and corsgate answers the preflight":  {"defer", "PUT", "blocked", "(preflight_origin_denied)", answered(star, grants), nil},
		"forward, and the policy denies the request": {"forward", "PUT", "blocked", "the answer: there is no Access-Control-Allow-Origin (request_origin_denied)", explain.Upstream{}, nil},
		"forward and defer":                          {"both", "PUT", "undecided", "to the preflight, which is not known (preflight_origin_denied)", explain.Upstream{}, nil},
		"forward and defer, and it allows":           {"both", "PUT", "allowed", "", answered(star, grants), nil},
		"what corsgate sets anew":                    {"private", "GET", "blocked", "there is no Access-Control-Allow-Origin (request_origin_denied)", answered(star), nil},
	} {
		q := explain.Question{Origin: other, URL: "https://" + c.host + ".example.com/", Method: c.method, Upstream: c.upstream, UpstreamPreflight: c.preflight}
		r := askLogin(t, upstreamSpecs(), q)
		verdict := verdictOf(r)
		if verdict != c.verdict || !strings.Contains(r.Because, c.because) || (consoles(r) > 0) != (verdict == "blocked") || (r.Cause == "") != r.Allowed {
			t.Errorf("%s: %s: %s, %q, %+v", name, verdict, r.Because, r.Cause, r.Engines)
		}
		if strings.Contains(r.Because+r.Engines[0].Because, "--") {
			t.Errorf("%s: it names a flag, which not every reader has: %+v", name, r)
		}
		if r.Undecided && (r.Request.Status != c.upstream.Status || r.Remedy == nil) {
			t.Errorf("%s: %+v %+v %+v", name, r.Preflight, r.Request, r.Remedy)
		}
	}
}

func TestAnEngineThatDoesNotNeedTheUpstreamIsNamed(t *testing.T) {
	r := ask(t, explain.Question{Origin: app, URL: "https://nobody.example.com/", Font: true})
	if !r.Undecided || !strings.HasPrefix(r.Because, "in Chrome and Firefox it depends on the upstream's answer") || !r.Engines[2].Allowed || !r.Engines[0].Undecided {
		t.Errorf("%s %+v", r.Because, r.Engines)
	}
}

func TestWhatTheUpstreamIsTakenToSendIsSaid(t *testing.T) {
	q := explain.Question{Origin: app, URL: "https://defer.example.com/"}
	if r := ask(t, q); !r.Allowed || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "the upstream sends no Access-Control-Allow-Origin") || strings.Contains(r.Notes[0], "--") {
		t.Errorf("%+v", r)
	}
	q.Upstream = answered()
	if r := ask(t, q); !r.Allowed || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
}

// A recording that says the request failed decides what its answer cannot.
func TestAFailureWithoutAnAnswerOfTheUpstream(t *testing.T) {
	for failed, want := range map[string]string{
		"net::ERR_FAILED":            "has no headers of the upstream's answer, which decide here: which CORS headers did it have, or did the request not get there?",
		"net::ERR_NAME_NOT_RESOLVED": "which is not a failure of CORS",
	} {
		r := ask(t, explain.Question{Origin: app, URL: "https://nobody.example.com/", Failed: failed, Credentials: explain.Unknown})
		if r.Allowed || r.Undecided || !strings.Contains(r.Because, want) || (r.Remedy == nil) != (failed != "net::ERR_FAILED") {
			t.Errorf("%+v", r)
		}
	}
}
