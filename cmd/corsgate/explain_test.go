package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/browser"
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

// TestFlagsOverrideWhatTheyName wants the rest of a copied request to stay.
func TestFlagsOverrideWhatTheyName(t *testing.T) {
	const copied = "http://127.0.0.1:11000/admin%2f?q=1"
	for _, tc := range []struct {
		name, copied string
		flags        explainConfig
		want         string
	}{
		{"nothing", copied, explainConfig{}, copied},
		{"the host", copied, explainConfig{host: "api.example.com"}, "http://api.example.com/admin%2f?q=1"},
		{"the host of a URL without a path", "http://127.0.0.1", explainConfig{host: "api.example.com"}, "http://api.example.com/"},
		{"the scheme", copied, explainConfig{scheme: "https"}, "https://127.0.0.1:11000/admin%2f?q=1"},
		{"the path and its query", copied, explainConfig{path: "v1/%2e?p=2"}, "http://127.0.0.1:11000/v1/%2e?p=2"},
		{"all three", copied, explainConfig{scheme: "https", host: "api.example.com", path: "/v1"}, "https://api.example.com/v1"},
		{"the URL", copied, explainConfig{url: "https://x.test/a"}, "https://x.test/a"},
		{"the host of --url", "", explainConfig{url: "http://x.test/a", host: "y.test"}, "http://y.test/a"},
		{"a host alone", "", explainConfig{host: "x.test"}, "https://x.test/"},
		{"a path without a host", "", explainConfig{path: "/v1", scheme: "http"}, ""},
		{"the host of what is no URL", "x.test/a", explainConfig{host: "y.test"}, "x.test/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := explain.Question{URL: tc.copied}
			tc.flags.credentials = oneOf("")
			if err := tc.flags.override(&q); err != nil || q.URL != tc.want {
				t.Errorf("%s, want %s; %v", q.URL, tc.want, err)
			}
		})
	}
}

// TestFlagsOverrideWhatTheUpstreamAnswered wants a status to leave recorded headers
// alone, and headers a recorded status.
func TestFlagsOverrideWhatTheUpstreamAnswered(t *testing.T) {
	header := func(name string) browser.Headers { return browser.Headers{{Name: name, Value: "a"}} }
	recorded := explain.Upstream{Status: 404, Headers: header("Vary")}
	for _, tc := range []struct {
		name     string
		recorded explain.Upstream
		flags    explainConfig
		want     explain.Upstream
	}{
		{"nothing", recorded, explainConfig{}, recorded},
		{"the status", recorded, explainConfig{upstreamStatus: 500}, explain.Upstream{Status: 500, Headers: header("Vary")}},
		{"the headers", recorded, explainConfig{upstreamHeaders: []string{"X-A: a"}}, explain.Upstream{Status: 404, Headers: header("X-A")}},
		{"both", recorded, explainConfig{upstreamStatus: 500, upstreamHeaders: []string{"X-A: a"}}, explain.Upstream{Status: 500, Headers: header("X-A")}},
		{"the status, which tells that there are no headers", explain.Upstream{}, explainConfig{upstreamStatus: 500}, explain.Upstream{Status: 500, Headers: browser.Headers{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := explain.Question{Upstream: tc.recorded}
			tc.flags.credentials = oneOf("")
			err := tc.flags.override(&q)
			if diff := cmp.Diff(tc.want, q.Upstream); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}
