package cases

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

func TestRequestOfACase(t *testing.T) {
	c := Case{Policy: "p", Client: Request{Method: "OPTIONS", Host: "a.test", Path: "/x", Protocol: "websocket", Headers: respond.Headers{
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
	with := Case{Client: Request{Headers: respond.Headers{"origin": {"https://a.example"}}}}
	for _, without := range []Case{{}, {Client: Request{Headers: respond.Headers{"origin": {""}}}}} {
		for _, p := range Profiles() {
			same(t, "asked with an Origin: "+string(p), with.Asked(p), true)
			same(t, "asked without an Origin: "+string(p), without.Asked(p), p == Decide || p == TwoPhase)
		}
	}
	named := Case{Policy: "p"}
	same(t, "asked without an Origin about a named policy", []bool{named.Asked(NoTrip), named.Asked(OneTrip)}, []bool{true, false})
}
