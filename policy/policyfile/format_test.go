package policyfile

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
)

func TestFormatIsReadAsItWas(t *testing.T) {
	day, none := 86400, 0
	specs := []policy.Spec{
		{Name: "a", CORS: policy.CORS{AllowOrigins: []string{"*"}}},
		{
			Name: "on", Hosts: []string{"api.example.com", "*.example.com", "[::1]", "1.2.3.4"}, Paths: []string{"/v1", "/a%2Fb", "/"},
			CORS: policy.CORS{
				AllowOrigins:       []string{"https://app.example.com", "https://*.example.com", "http://localhost:*", "https://a.example:8443", "null", "app://."},
				AllowOriginRegexes: []string{`https://\d+\.example\.com`, `"'#: `}, AllowMethods: []string{"PUT", "NO", "#"}, AllowHeaders: []string{"authorization", "~x"},
				ExposeHeaders: []string{"x-request-id"}, AllowCredentials: true, MaxAge: &day,
			},
			UpstreamHeaders: policy.UpstreamDefer, UnmatchedPreflights: policy.UnmatchedForward, DeniedRequests: policy.DeniedBlock, PreflightStatus: 200,
			PreflightLists: policy.ListsRequested, AllowPrivateNetwork: true, Debug: true,
			Dangerously: []policy.OptIn{
				policy.OptInOriginRegex, policy.OptInNullOrigin, policy.OptInAnyOriginWithCredentials, policy.OptInInsecureOrigins, policy.OptInPrivateNetworkAccess,
			},
		},
		{Name: "off", Hosts: []string{"off.example.com"}, Mode: policy.ModeOff},
		{Name: "0x1", Hosts: []string{"x.example.com"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://a.example"}, MaxAge: &none}},
	}
	text := Format(specs, "istio.yaml:3:5", "", "a\nb")
	r := Load(fstest.MapFS{"p.yaml": {Data: text}}, "")
	if r.HasErrors() {
		t.Fatalf("%v\n%s", r.Diagnostics, text)
	}
	want, problems := policy.Validate(specs)
	if want == nil {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want.Specs(), r.Policies.Specs()); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	if !strings.Contains(string(text), "\n# a b\n- name: \"off\"") || !strings.HasPrefix(string(text), "policies:\n# istio.yaml:3:5\n- name: a\n") {
		t.Errorf("comments:\n%s", text)
	}
}

func TestFormatOfNothingLoads(t *testing.T) {
	if r := Load(fstest.MapFS{"p.yaml": {Data: Format(nil)}}, ""); r.HasErrors() {
		t.Error(r.Diagnostics)
	}
}

func TestFormatBreaksLongLists(t *testing.T) {
	long := []policy.Spec{{Name: "a", CORS: policy.CORS{AllowOrigins: []string{"https://" + strings.Repeat("a", 40) + ".example", "https://" + strings.Repeat("b", 40) + ".example"}}}}
	if text := string(Format(long)); !strings.Contains(text, "    allowOrigins:\n    - https://aaa") {
		t.Error(text)
	}
}
