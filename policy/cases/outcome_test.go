package cases

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

func TestOutcomeDiff(t *testing.T) {
	base := func() Outcome {
		return Outcome{
			Policy: "p", Reason: "request_allowed", Shadow: &Shadow{Policy: "q", Reason: "request_blocked", Differs: true},
			Forwarded: true,
			Response:  respond.Response{Status: 200, Headers: respond.Headers{"vary": {"Accept, Origin"}, "access-control-allow-origin": {"*"}, "date": {"today"}}},
		}
	}
	for _, test := range []struct {
		name   string
		change func(got *Outcome)
		want   []string
	}{
		{"the same", func(*Outcome) {}, nil},
		{"another policy", func(o *Outcome) { o.Policy = "" }, []string{"policy: got none, want p"}},
		{"another reason", func(o *Outcome) { o.Reason = "no_policy" }, []string{"reason: got no_policy, want request_allowed"}},
		{"no shadow", func(o *Outcome) { o.Shadow = nil }, []string{"shadow: got none, want q request_blocked differs=true"}},
		{"another shadow", func(o *Outcome) { o.Shadow = &Shadow{Policy: "q", Reason: "request_blocked"} },
			[]string{"shadow: got q request_blocked differs=false, want q request_blocked differs=true"}},
		{"what a shadow does otherwise", func(o *Outcome) {
			o.Shadow = &Shadow{Policy: "r", Reason: "request_blocked", Differs: true, Differences: policy.Differences{{What: "status", To: "403"}}}
		}, []string{"shadow: got r request_blocked differs=true (status: the upstream's -> 403), want q request_blocked differs=true"}},
		{"a reply", func(o *Outcome) { o.Forwarded = false }, []string{"forwarded: got false, want true"}},
		{"another status", func(o *Outcome) { o.Response.Status = 403 }, []string{"status: got 403, want 200"}},
		{"a header less", func(o *Outcome) { delete(o.Response.Headers, "vary") }, []string{`vary: got none, want "Accept, Origin"`}},
		{"a header more", func(o *Outcome) { o.Response.Headers["access-control-max-age"] = []string{"5"} },
			[]string{`access-control-max-age: got "5", want none`}},
		{"an empty header", func(o *Outcome) { o.Response.Headers["access-control-allow-headers"] = []string{""} },
			[]string{`access-control-allow-headers: got "", want none`}},
		{"the reason as a header", func(o *Outcome) { o.Response.Headers["x-corsgate-reason"] = []string{"no_policy"} },
			[]string{`x-corsgate-reason: got "no_policy", want none`}},
		{"a value twice", func(o *Outcome) { o.Response.Headers["access-control-allow-origin"] = []string{"*", "*"} },
			[]string{`access-control-allow-origin: got "*, *", want "*"`}},
		{"a list in another order", func(o *Outcome) { o.Response.Headers["vary"] = []string{"Origin, Accept"} },
			[]string{`vary: got "Origin, Accept", want "Accept, Origin"`}},
		{"a list in another case", func(o *Outcome) { o.Response.Headers["vary"] = []string{"Accept, origin"} },
			[]string{`vary: got "Accept, origin", want "Accept, Origin"`}},
		{"a list in several lines is the same", func(o *Outcome) { o.Response.Headers["vary"] = []string{"Accept", "Origin"} }, nil},
		{"a list without white space is the same", func(o *Outcome) { o.Response.Headers["vary"] = []string{"Accept,Origin"} }, nil},
		{"a header that is not CORS's does not matter", func(o *Outcome) { delete(o.Response.Headers, "date") }, nil},
		{"all differences are told", func(o *Outcome) { *o = Outcome{} }, []string{
			"policy: got none, want p",
			"reason: got none, want request_allowed",
			"shadow: got none, want q request_blocked differs=true",
			"forwarded: got false, want true",
			"status: got 0, want 200",
			`access-control-allow-origin: got none, want "*"`,
			`vary: got none, want "Accept, Origin"`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := base()
			test.change(&got)
			same(t, "lines", got.Diff(base()), test.want)
		})
	}
}
