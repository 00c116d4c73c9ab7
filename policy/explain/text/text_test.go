package text

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/policy/printable"
)

func TestExplainTextIsHarmless(t *testing.T) {
	set := policytest.Compile(t)
	r, err := explain.Policies{Set: set}.Explain(explain.Question{
		Origin: "https://a\x1b]0;gone\x07.test", URL: "https://api.example.com/", Credentials: browser.Include,
		Upstream: explain.Upstream{Headers: browser.Headers{{Name: "X-A", Value: "\x1b[2J\r\u0085"}, {Name: "Access-Control-Allow-Origin", Value: "\x1b[2J"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Write(&out, printable.Painter{}, r); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\r\u0085") || !strings.Contains(text, `\x1b]0;gone`) {
		t.Errorf("%q", text)
	}
}

func TestExplainTextKeepsColours(t *testing.T) {
	text := writer{paint: printable.Painter{On: true}}
	text.report(&explain.Report{Because: "b", Engines: []explain.EngineVerdict{{Console: "c\x1b[2J"}}})
	got := harmless(text.String())
	if !strings.HasPrefix(got, "\x1b[31mblocked\x1b[0m: ") || !strings.Contains(got, "\x1b[2m  Chrome:  c\\x1b[2J\x1b[0m") {
		t.Errorf("%q", got)
	}
}

func TestExplainTextPaintsNothingThatARequestSays(t *testing.T) {
	const forged = "a\x1b[32m\nallowed"
	text := writer{paint: printable.Painter{On: true}}
	text.report(&explain.Report{
		Question: explain.Question{Method: forged, URL: forged, Origin: forged}, Engines: []explain.EngineVerdict{{Console: forged}}, Because: forged, Cause: forged,
		Notes: []string{forged}, Before: []browser.Step{{Says: forged}},
	})
	if got := harmless(text.String()); strings.Contains(got, "a\x1b[32m") || strings.Contains(got, "\nallowed") {
		t.Errorf("%q", got)
	}
}

// TestExplainTextSaysWhoAnswers names the policy, whether corsgate or Envoy itself
// carries it out.
func TestExplainTextSaysWhoAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		policy   string
		exchange explain.Exchange
		want     string
	}{
		"a policy":     {"api", explain.Exchange{Reason: "request_blocked", Status: 403}, "< 403 (by policy api: request_blocked)"},
		"no policy":    {"", explain.Exchange{Reason: "policy_unknown", Status: 403}, "< 403 (policy_unknown)"},
		"the upstream": {"api", explain.Exchange{Reason: "request_allowed", Status: 200, Forwarded: true}, "< 200 (by the upstream, request_allowed)"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, noTrip := range []*explain.NoTrip{nil, {}, {Asked: true}} {
				tc.exchange.NoTrip = noTrip
				var text writer
				text.report(&explain.Report{Policy: explain.Choice{Name: tc.policy}, Request: &tc.exchange})
				if got := text.String(); !strings.Contains(got, tc.want+"\n") || strings.Contains(got, "by corsgate") {
					t.Errorf("it does not say %q:\n%s", tc.want, got)
				}
			}
		})
	}
}

func TestExplainTextSaysWithWhichFlagsToGiveAnAnswer(t *testing.T) {
	const flags = "it depends: give its headers (--upstream-header) and status (--upstream-status)\n"
	for _, r := range []explain.Report{{Undecided: true, Because: "it depends"}, {Because: "it depends"}} {
		text := writer{}
		text.report(&r)
		if strings.Contains(text.String(), flags) != r.Undecided {
			t.Errorf("undecided %t: %s", r.Undecided, &text)
		}
	}
}
