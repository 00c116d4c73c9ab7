package respond

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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

func TestTo(t *testing.T) {
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
			got, want := To(test.decision, up), Response{Status: test.status, Headers: test.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.up, up.Headers); diff != "" {
				t.Errorf("upstream's response (-want +got):\n%s", diff)
			}
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
			if diff := cmp.Diff(test.want, h["vary"]); diff != "" {
				t.Errorf("vary (-want +got):\n%s", diff)
			}
		})
	}
}
