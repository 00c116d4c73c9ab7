package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

func TestExplainTextIsHarmless(t *testing.T) {
	set, err := policy.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := explain.Policies{Set: set}.Explain(explain.Question{
		Origin: "https://a\x1b]0;gone\x07.test", URL: "https://api.example.com/", Credentials: browser.Include,
		Upstream: explain.Upstream{Headers: browser.Headers{{Name: "X-A", Value: "\x1b[2J\r\u0085"}, {Name: "Access-Control-Allow-Origin", Value: "\x1b[2J"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := printReports(&out, []explain.Report{r}, nil); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\r\u0085") || !strings.Contains(text, `\x1b]0;gone`) {
		t.Errorf("%q", text)
	}
}

func TestExplainTextKeepsColours(t *testing.T) {
	text := explainText{paint: painter{on: true}}
	text.report(&explain.Report{Because: "b", Engines: []explain.EngineVerdict{{Console: "c\x1b[2J"}}})
	got := harmless(text.String())
	if !strings.HasPrefix(got, "\x1b[31mblocked\x1b[0m: ") || !strings.Contains(got, "\x1b[2m  Chrome:  c\\x1b[2J\x1b[0m") {
		t.Errorf("%q", got)
	}
}

func TestExplainTextPaintsNothingThatARequestSays(t *testing.T) {
	const forged = "a\x1b[32m\nallowed"
	text := explainText{paint: painter{on: true}}
	text.report(&explain.Report{
		Question: explain.Question{Method: forged, URL: forged, Origin: forged}, Engines: []explain.EngineVerdict{{Console: forged}}, Because: forged, Cause: forged,
		Notes: []string{forged}, Before: []browser.Step{{Says: forged}},
	})
	if got := harmless(text.String()); strings.Contains(got, "a\x1b[32m") || strings.Contains(got, "\nallowed") {
		t.Errorf("%q", got)
	}
}

func TestAskAdminCleansAndCutsAnError(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "\x1b[2J"+strings.Repeat("x", 1<<16), http.StatusBadRequest)
	}))
	defer admin.Close()
	ask, err := askAdmin(admin.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask(t.Context(), explain.Question{})
	if err == nil || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 1024 || !strings.Contains(err.Error(), `\x1b[2Jxx`) {
		t.Errorf("%v", err)
	}
}
