package notrip

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestAsks has a case of each thing that Envoy asks about. The differential test holds
// the rest to a real Envoy.
func TestAsks(t *testing.T) {
	set := policytest.Compile(t,
		policy.Spec{Name: "plain", Hosts: []string{"api.example.com"}, Paths: []string{"/v1"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.example.com"}, AllowHeaders: []string{"x-a"}}},
		policy.Spec{Name: "star", Hosts: []string{"*.example.org"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.example.com"}}},
		policy.Spec{Name: "shadow", Mode: policy.ModeShadow, Hosts: []string{"shadow.example.com"}, CORS: policy.CORS{AllowOrigins: []string{"*"}}},
	)
	plain := policy.Request{Method: "GET", Authority: "api.example.com", Path: "/v1/x?a=%2F", Origin: "https://other.example.com"}
	preflight := plain
	preflight.Method, preflight.RequestMethod, preflight.RequestHeaders = "OPTIONS", "PUT", "x-a"
	for _, tc := range []struct {
		name   string
		from   policy.Request
		change func(*policy.Request)
		want   bool
	}{
		{"a plain request", plain, func(*policy.Request) {}, false},
		{"one without an Origin", plain, func(r *policy.Request) { r.Origin = "" }, false},
		{"a preflight", preflight, func(*policy.Request) {}, false},
		{"a host without a policy", plain, func(r *policy.Request) { r.Authority = "other.test" }, false},
		{"the policy's name", plain, func(r *policy.Request) { r.Policy = "plain" }, true},
		{"a port", plain, func(r *policy.Request) { r.Authority += ":9443" }, true},
		{"a port that Envoy knows", plain, func(r *policy.Request) { r.Authority += ":8443" }, false},
		{"an odd path", plain, func(r *policy.Request) { r.Path = "/v1//x" }, true},
		{"an odd origin", plain, func(r *policy.Request) { r.Origin = "https://192.0.2.1" }, true},
		{"a long list", preflight, func(r *policy.Request) { r.RequestHeaders = string(make([]byte, 300)) }, true},
		{"a long list of fewer characters", preflight, func(r *policy.Request) { r.RequestHeaders = strings.Repeat("ü", 128) }, true},
		{"a list of 255 bytes", preflight, func(r *policy.Request) { r.RequestHeaders = strings.Repeat("ü", 127) + "x" }, false},
		{"a rehearsal", plain, func(r *policy.Request) { r.Authority = "shadow.example.com" }, true},
		{"perhaps the site's own", plain, func(r *policy.Request) { r.Authority, r.Origin = "a.example.org", "https://b.example.org" }, true},
		{"not the site's own", plain, func(r *policy.Request) {
			r.Authority, r.Origin, r.SecFetchSite = "a.example.org", "https://b.example.org", "cross-site"
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := tc.from
			tc.change(&r)
			for _, o := range []Options{{Ask: asking(), AskBlocking: asking()}, {}} {
				o.Ports, o.NamedPolicies = []uint16{8443}, true
				res, err := Compile(set, o)
				if err != nil {
					t.Fatal(err)
				}
				asks, err := res.Resources[0].Asks()
				if err != nil {
					t.Fatal(err)
				}
				res.Resources[0].Filter = nil // a large one is not read for each request
				if got, err := asks(&r); err != nil || got != tc.want {
					t.Errorf("with %d filters that ask: %t, %v; want %t", len(o.Ask), got, err, tc.want)
				}
			}
		})
	}
}

func TestAsksReadsNothingElse(t *testing.T) {
	if _, err := (&Resource{Name: "corsgate", Filter: &anypb.Any{}}).Asks(); err == nil {
		t.Error("no error for what is not a filter")
	}
}
