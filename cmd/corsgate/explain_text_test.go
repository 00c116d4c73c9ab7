package main

import (
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
	var out, note strings.Builder
	if err := printReports(&out, &note, []explain.Report{r}, nil); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\r\u0085") || !strings.Contains(text, "\ufffd]0;gone") {
		t.Errorf("%q", text)
	}
}

func TestExplainTextKeepsColours(t *testing.T) {
	text := explainText{paint: painter{on: true}}
	text.report(&explain.Report{Because: "b", Console: "c\x1b[2J"})
	got := harmless(text.String())
	if !strings.HasPrefix(got, "\x1b[31mblocked\x1b[0m: ") || !strings.Contains(got, "\x1b[2m  c\ufffd[2J\x1b[0m") {
		t.Errorf("%q", got)
	}
}
