package main

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/policytest"
)

func TestExplainerSkipsWhatHasNoAnswer(t *testing.T) {
	set := policytest.Compile(t)
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
