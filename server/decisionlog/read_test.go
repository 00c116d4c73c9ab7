package decisionlog

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
)

func TestUnquotedReadsWhatTheLogQuotes(t *testing.T) {
	for value, want := range map[string]string{
		"https://a.example": "https://a.example", `"caf\xe9"`: "caf\xe9", `"a\"b"`: `a"b`, `"no end`: `"no end`, "": "",
	} {
		if got := unquoted(value); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}

// TestWhatIsReadIsWhatWasDecided writes a line and reads it.
func TestWhatIsReadIsWhatWasDecided(t *testing.T) {
	r := policy.Request{
		Policy: "api", Method: "OPTIONS", Authority: "a.test", Path: "/\xff\"<b>?secret", Origin: "https://\x00.test",
		RequestMethod: "PUT", RequestHeaders: "x-a", SecFetchSite: "cross-site", Upgrade: "websocket", Protocol: "websocket",
	}
	d := compile(t).Decide(&r)
	e, ok := Read(Append(asked(), nil, time.Now(), &r, &d, false))
	got := e.Request()
	r.Path = "/\xff\"<b>"
	if !ok || got != r || e.Reason != d.Reason.String() {
		t.Errorf("%v %+v", ok, e)
	}
	for _, line := range []string{"", "x", "{}", `{"level":"INFO","msg":"ready"}`} {
		if e, ok := Read([]byte(line)); ok {
			t.Errorf("%s: %+v", line, e)
		}
	}
}
