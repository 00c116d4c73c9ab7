package explain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

func TestRecordings(t *testing.T) {
	const failed = "net::ERR_FAILED"
	for name, c := range map[string]struct {
		q             explain.Question
		verdict       string
		because, note string
	}{
		"what passes either way": {explain.Question{URL: "https://private.example.com/"}, "allowed", "the page may read", ""},
		"what passes without credentials": {explain.Question{URL: "https://api.example.com/v1"}, "allowed", "the page may read",
			"with credentials: include browsers would block this because of the answer: credentials are asked for"},
		"what failed, and credentials explain it": {explain.Question{URL: "https://api.example.com/v1", Failed: failed}, "blocked",
			"browsers would block this because of the answer: credentials are asked for", "which credentials: include explains"},
		"what failed, and the policy explains it": {explain.Question{URL: "https://private.example.com/", Method: "PUT", Failed: failed}, "blocked",
			"browsers would block this because of the preflight's answer", ""},
		"what failed, and nothing explains it": {explain.Question{URL: "https://private.example.com/", Failed: failed}, "blocked",
			"the recording says that it failed (net::ERR_FAILED), and nothing in these policies explains it", ""},
		"what failed otherwise": {explain.Question{URL: "https://private.example.com/", Failed: "net::ERR_CONNECTION_REFUSED"}, "failed otherwise",
			"the recording says net::ERR_CONNECTION_REFUSED, which is not a failure of CORS", ""},
		"what failed otherwise, and would be blocked": {explain.Question{URL: "https://private.example.com/", Method: "PUT", Failed: "net::ERR_TIMED_OUT"}, "blocked",
			"browsers would block this", "the recording says net::ERR_TIMED_OUT, which is not a failure of CORS"},
		"a status alone tells that it failed": {explain.Question{URL: "https://private.example.com/", Failed: "status 0"}, "blocked", "(status 0), and nothing", ""},
		"what failed with an answer": {explain.Question{URL: "https://private.example.com/", Failed: failed, Upstream: explain.Upstream{Status: 200}}, "blocked",
			"was it recorded with other ones, or does the upstream answer differently?", ""},
		"what failed otherwise, and only credentials would be blocked": {explain.Question{URL: "https://api.example.com/v1", Failed: "net::ERR_ABORTED"}, "failed otherwise",
			"the recording says net::ERR_ABORTED, which is not a failure of CORS", "with credentials: include browsers would block this"},
		"what failed otherwise, and the upstream would decide": {explain.Question{URL: "https://nobody.example.com/", Failed: "net::ERR_BLOCKED_BY_CLIENT"}, "failed otherwise",
			"the recording says net::ERR_BLOCKED_BY_CLIENT", "allowCredentials: true besides"},
		"a navigation that failed": {explain.Question{URL: "https://private.example.com/", Mode: explain.Navigate, Failed: "status 0"}, "failed otherwise",
			"the recording says status 0, which is not a failure of CORS", ""},
		"a WebSocket that failed": {explain.Question{URL: "wss://private.example.com/", Failed: failed}, "failed otherwise",
			"the recording says net::ERR_FAILED, which is not a failure of CORS", ""},
		"a WebSocket that the application refused": {explain.Question{URL: "wss://private.example.com/", Failed: failed, Upstream: explain.Upstream{Status: 403}}, "failed otherwise",
			"the upstream answers the handshake with 403", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.q.Origin, c.q.Credentials, c.q.Notes = app, explain.Unknown, []string{"from the recording"}
			r := ask(t, c.q)
			if verdictOf(r) != c.verdict || !strings.Contains(r.Because, c.because) || r.Question.Credentials == explain.Unknown || r.Notes[0] != "from the recording" {
				t.Errorf("%+v", r)
			}
			notes := strings.Join(r.Notes[1:], "\n")
			if strings.Contains(notes, "recording") != (c.note != "") || !strings.Contains(notes, c.note) {
				t.Errorf("%q", r.Notes)
			}
		})
	}
}

func TestACredentialsModeThatIsToldIsNotTriedBothWays(t *testing.T) {
	for _, mode := range []browser.Credentials{"", browser.Omit} {
		if r := ask(t, explain.Question{Origin: app, URL: "https://api.example.com/v1", Credentials: mode, Failed: "status 0"}); len(r.Notes) != 0 || !strings.Contains(r.Because, "nothing in these policies explains it") {
			t.Errorf("%q: %s %q", mode, r.Because, r.Notes)
		}
	}
}

func TestARemedyThatDoesNotCoverCredentialsIsSaid(t *testing.T) {
	r := ask(t, explain.Question{Origin: "https://stranger.test", URL: "https://api.example.com/v1", Credentials: explain.Unknown})
	if r.Remedy == nil || !strings.Contains(strings.Join(r.Notes, "\n"), "the policy needs allowCredentials: true besides") {
		t.Errorf("%+v %q", r.Remedy, r.Notes)
	}
}

func TestConsolesOfABareAnswer(t *testing.T) {
	r := ask(t, explain.Question{Origin: app, URL: "https://api.example.com/v1", Method: "QUERY"})
	var got []string
	for _, e := range r.Engines {
		got = append(got, string(e.Engine)+" "+e.Because+" "+e.Console)
	}
	want := []string{
		"chromium the preflight's answer: there is no Access-Control-Allow-Origin (preflight_method_denied) Access to fetch at 'https://api.example.com/v1' from origin 'https://app.example.com' has been blocked by CORS policy: " +
			"Response to preflight request doesn't pass access control check: No 'Access-Control-Allow-Origin' header is present on the requested resource.",
		"firefox the preflight's answer: there is no Access-Control-Allow-Origin (preflight_method_denied) Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at https://api.example.com/v1. " +
			"(Reason: CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403.",
		"webkit the preflight's answer: the status is 403, not one of 200 to 299 (preflight_method_denied) Preflight response is not successful. Status code: 403",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "no console names the cause") || !strings.Contains(r.Cause, "does not allow the method QUERY") {
		t.Errorf("%q %q", r.Notes, r.Cause)
	}
}
