package policyfile

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// TestWitnessesOfRiskyPatternsAreAccepted asks a set about the origins that
// the findings name.
func TestWitnessesOfRiskyPatternsAreAccepted(t *testing.T) {
	for text, code := range map[string]string{
		`"*"`: "star-with-credentials", `"https://*"`: "any-host-with-credentials", `"https://*:8443"`: "any-host-with-credentials",
		`"http://*.example.com"`: "insecure-origin", `"https://app.example.com:*"`: "any-port",
		`"https://*.github.io"`: "public-suffix", `"https://app-*.vercel.app"`: "public-suffix", `"https://*.run.app:*"`: "public-suffix",
		`"https://*.kawasaki.jp"`: "public-suffix", `"https://*.amazonaws.com"`: "public-suffix",
	} {
		witness := witnessOf(t, text, code)
		set, err := policy.Compile([]policy.Spec{{
			Name: "a", CORS: policy.CORS{AllowOrigins: []string{strings.Trim(text, `"`)}, AllowCredentials: true},
			Dangerously: []policy.OptIn{policy.OptInAnyOriginWithCredentials, policy.OptInInsecureOrigins, policy.OptInPublicSuffix},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if d := set.Decide(&policy.Request{Method: "GET", Authority: "a.test", Origin: witness}); d.Reason != policy.ReasonRequestAllowed {
			t.Errorf("%s: %s is %s", text, witness, d.Reason)
		}
	}
}

var namedWitness = regexp.MustCompile(`such as "([^"]+)"`)

// witnessOf returns the origin that the finding with that code names for an
// entry of allowOrigins.
func witnessOf(t *testing.T, text, code string) string {
	t.Helper()
	r := loadText("policies: [{name: a, cors: {allowCredentials: true, allowOrigins: [" + text + "]}}]")
	i := slices.IndexFunc(r.Diagnostics, func(d Diagnostic) bool { return d.Code == code })
	if i < 0 {
		t.Fatalf("%s: no %s in %v", text, code, r.Diagnostics)
	}
	m := namedWitness.FindStringSubmatch(r.Diagnostics[i].Reason)
	if m == nil {
		t.Fatalf("%s: no origin in %s", text, r.Diagnostics[i])
	}
	return m[1]
}
