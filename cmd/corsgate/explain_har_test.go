package main

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
)

func TestFromHARPassesWebSocketsOver(t *testing.T) {
	entry := func(url string) string {
		return `{"request": {"method": "GET", "url": "` + url + `", "headers": [{"name": "Origin", "value": "https://a.test"}]}}`
	}
	qs, err := fromHAR(`{"log": {"entries": [` + entry("wss://b.test/live") + `, ` + entry("https://b.test/") + `]}}`)
	if err != nil || len(qs) != 1 || qs[0].URL != "https://b.test/" {
		t.Errorf("%v, %v", qs, err)
	}
}

func TestExplainerSkipsWhatHasNoAnswer(t *testing.T) {
	set, err := policy.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := policiesExplainer(explain.Policies{Set: set})
	good := explain.Question{Origin: "https://a.test", URL: "https://b.test/"}
	bad := explain.Question{Origin: "https://a.test", URL: "https:///", Method: "GET"}
	var note strings.Builder
	reports, err := ask.all(t.Context(), &note, []explain.Question{bad, good})
	if err != nil || len(reports) != 1 || !strings.HasPrefix(note.String(), "skipped GET https:///: ") {
		t.Errorf("%d reports, %v\n%s", len(reports), err, &note)
	}
	if _, err := ask.all(t.Context(), &note, []explain.Question{bad, bad}); err == nil {
		t.Error("no error though none could be explained")
	}
}
