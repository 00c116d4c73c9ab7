package policyfile

import (
	"regexp"
	"slices"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestWitnessesOfRiskyOriginsAreAccepted asks a set about the origins that the
// findings name.
func TestWitnessesOfRiskyOriginsAreAccepted(t *testing.T) {
	const origins, regexes = "allowOrigins", "allowOriginRegexes"
	for _, tt := range []struct{ field, entry, code string }{
		{origins, `*`, "star-with-credentials"},
		{origins, `https://*`, "any-host-with-credentials"},
		{origins, `https://*:8443`, "any-host-with-credentials"},
		{origins, `http://*.example.com`, "insecure-origin"},
		{origins, `https://app.example.com:*`, "any-port"},
		{origins, `https://*.github.io`, "public-suffix"},
		{origins, `https://app-*.vercel.app`, "public-suffix"},
		{origins, `https://*.run.app:*`, "public-suffix"},
		{origins, `https://*.kawasaki.jp`, "public-suffix"},
		{origins, `https://*.amazonaws.com`, "public-suffix"},
		{regexes, `.*`, "insecure-origin"},
		{regexes, `https://.*`, "regex-hostile"},
		{regexes, `https://example\.com.*`, "regex-hostile"},
		{regexes, `https://app\.example.com`, "regex-open-dot"},
		{regexes, `https://.*example\.com`, "public-suffix"},
		{regexes, `https://.*\.amazonaws\.com`, "public-suffix"},
		{regexes, `https://pr-\d+\.(netlify\.app|example\.com)`, "public-suffix"},
		{regexes, `^https://my-app-[a-z0-9]+-myteam\.vercel\.app$`, "public-suffix"},
	} {
		witness := witnessOf(t, tt.field, tt.entry, tt.code)
		spec := policy.Spec{Name: "a", CORS: policy.CORS{AllowOrigins: []string{tt.entry}, AllowCredentials: true}, Dangerously: []policy.OptIn{
			policy.OptInOriginRegex, policy.OptInAnyOriginWithCredentials, policy.OptInInsecureOrigins, policy.OptInPublicSuffix,
		}}
		if tt.field == regexes {
			spec.CORS.AllowOrigins, spec.CORS.AllowOriginRegexes = nil, spec.CORS.AllowOrigins
		}
		set := policytest.Compile(t, spec)
		if d := set.Decide(&policy.Request{Method: "GET", Authority: "a.test", Origin: witness}); d.Reason != policy.ReasonRequestAllowed {
			t.Errorf("%s: %s is %s", tt.entry, witness, d.Reason)
		}
	}
}

var namedWitness = regexp.MustCompile(`(?:such as|accepts) "([^"]+)"`)

// witnessOf returns the origin that the finding with that code names for an
// entry of a field of cors.
func witnessOf(t *testing.T, field, entry, code string) string {
	t.Helper()
	r := loadText("policies: [{name: a, cors: {allowCredentials: true, " + field + ": ['" + entry + "']}}]")
	i := slices.IndexFunc(r.Diagnostics, func(d Diagnostic) bool { return d.Code == code })
	if i < 0 {
		t.Fatalf("%s: no %s in %v", entry, code, r.Diagnostics)
	}
	m := namedWitness.FindStringSubmatch(r.Diagnostics[i].Reason)
	if m == nil {
		t.Fatalf("%s: no origin in %s", entry, r.Diagnostics[i])
	}
	return m[1]
}
