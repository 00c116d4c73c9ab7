package policytest

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
)

func verdict(action policy.Action, apply policy.Apply) policy.Decision {
	d := policy.Decision{Verdict: policy.Verdict{
		Origin: "https://a.example",
		Answer: &policy.Answer{Action: action, Apply: apply, Headers: []policy.Header{
			{Name: "access-control-allow-origin", From: policy.FromOrigin},
			{Name: "access-control-expose-headers", Value: "x-r"},
			{Name: "access-control-allow-headers", From: policy.FromHeaders}, // none: left out
		}},
	}}
	if action == policy.Reply {
		d.Answer.Status = 204
	}
	return d
}

func TestRespond(t *testing.T) {
	spoken := Headers{
		"access-control-allow-origin":      {"*", "https://b.example"},
		"access-control-allow-credentials": {"true"},
		"x-other":                          {"kept"},
	}
	granted := Headers{
		"access-control-allow-origin":   {"https://a.example"},
		"access-control-expose-headers": {"x-r"},
		"x-other":                       {"kept"},
		"vary":                          {"Origin"},
	}
	public := granted.clone()
	delete(public, "vary")
	for _, test := range []struct {
		name     string
		decision policy.Decision
		up, want Headers
		status   int
	}{
		{"a reply has nothing of the upstream", verdict(policy.Reply, policy.ApplyNone), spoken,
			Headers{"access-control-allow-origin": {"https://a.example"}, "access-control-expose-headers": {"x-r"}}, 204},
		{"what passes is the upstream's", verdict(policy.Pass, policy.ApplyNone), spoken, spoken, 404},
		{"what is not applied is the upstream's", verdict(policy.Edit, policy.ApplyNone), spoken, spoken, 404},
		{"what is replaced is stripped and varies", verdict(policy.Edit, policy.ApplyReplace), spoken, granted, 404},
		{"what is public does not vary", verdict(policy.Edit, policy.ApplyPublic), spoken, public, 404},
		{"what defers leaves an upstream alone that spoke", verdict(policy.Edit, policy.ApplyDefer), spoken, spoken, 404},
		{"what defers speaks for an upstream that did not", verdict(policy.Edit, policy.ApplyDefer),
			Headers{"access-control-allow-credentials": {"true"}, "x-other": {"kept"}}, granted, 404},
		{"what defers speaks for an upstream that named nobody", verdict(policy.Edit, policy.ApplyDefer),
			Headers{"access-control-allow-origin": {""}, "x-other": {"kept"}}, granted, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			up := Response{Status: 404, Headers: test.up.clone()}
			same(t, "response", Respond(test.decision, up), Response{Status: test.status, Headers: test.want})
			same(t, "upstream's response", up.Headers, test.up)
		})
	}
}

func TestVaryByOrigin(t *testing.T) {
	for _, test := range []struct {
		name     string
		up, want []string
	}{
		{"none", nil, []string{"Origin"}},
		{"an empty one", []string{""}, []string{"", "Origin"}},
		{"another member", []string{"Accept"}, []string{"Accept", "Origin"}},
		{"several lines", []string{"Accept", "Cookie, Host"}, []string{"Accept", "Cookie, Host", "Origin"}},
		{"Origin", []string{"Origin"}, []string{"Origin"}},
		{"Origin in another case among others", []string{"Accept", "Cookie ,\tORIGIN"}, []string{"Accept", "Cookie ,\tORIGIN"}},
		{"a star", []string{"*"}, []string{"*"}},
		{"a star among others", []string{"Accept", "Cookie, *"}, []string{"Accept", "Cookie, *"}},
		{"a name that contains it", []string{"X-Origin"}, []string{"X-Origin", "Origin"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := Headers{}
			if test.up != nil {
				h["vary"] = test.up
			}
			varyByOrigin(h)
			same(t, "vary", h["vary"], test.want)
		})
	}
}

func TestOutcomeDiff(t *testing.T) {
	base := func() Outcome {
		return Outcome{
			Policy: "p", Reason: "request_allowed", Shadow: &Shadow{Policy: "q", Reason: "request_blocked", Differs: true},
			Forwarded: true,
			Response:  Response{Status: 200, Headers: Headers{"vary": {"Accept, Origin"}, "access-control-allow-origin": {"*"}, "date": {"today"}}},
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

func TestRequestOfACase(t *testing.T) {
	c := Case{Policy: "p", Client: Request{Method: "OPTIONS", Host: "a.test", Path: "/x", Protocol: "websocket", Headers: Headers{
		"origin":                                 {"https://a.example", "https://b.example"},
		"access-control-request-method":          {"PUT"},
		"access-control-request-headers":         {"x-a", "x-b"},
		"access-control-request-private-network": {"true"},
		"sec-fetch-site":                         {"same-site"},
		"upgrade":                                {"websocket"},
		"cookie":                                 {"a=b"},
	}}}
	same(t, "request", c.Request(), policy.Request{
		Policy: "p", Method: "OPTIONS", Authority: "a.test", Path: "/x", Protocol: "websocket",
		Origin: "https://a.example,https://b.example", RequestMethod: "PUT", RequestHeaders: "x-a,x-b",
		RequestPrivateNetwork: "true", SecFetchSite: "same-site", Upgrade: "websocket",
	})
}

func TestAsked(t *testing.T) {
	with := Case{Client: Request{Headers: Headers{"origin": {"https://a.example"}}}}
	for _, without := range []Case{{}, {Client: Request{Headers: Headers{"origin": {""}}}}} {
		for _, p := range Profiles() {
			same(t, "asked with an Origin: "+string(p), with.Asked(p), true)
			same(t, "asked without an Origin: "+string(p), without.Asked(p), p == Decide || p == TwoPhase)
		}
	}
}
