package proofs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// load returns the findings about a policy with one regex, or one origin, with and
// without the hints that are proved.
func load(t *testing.T, field, text, more string) (before, after []policyfile.Diagnostic) {
	t.Helper()
	list, err := json.Marshal([]string{text})
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf(`policies: [{name: a, cors: {%s: %s%s`, field, list, more)
	r := policyfile.Load(fstest.MapFS{"p.yaml": {Data: []byte(file)}}, "")
	before = append(before, r.Diagnostics...)
	Hint(r.Diagnostics)
	return before, r.Diagnostics
}

// What a hint says of a regex: by its code, with the rest of the policy.
func TestHintsNameThePatternsThatAreProved(t *testing.T) {
	const (
		optIn      = `, or list "origin-regex" under dangerously`
		opted      = `}, dangerously: [origin-regex]}]`
		asItWas    = "as it was"
		inRegexes  = "allowOriginRegexes"
		inOrigins  = "allowOrigins"
		unopted    = `}}]`
		withCookie = `, allowCredentials: true}, dangerously: [origin-regex, any-origin-with-credentials]}]`
	)
	for _, c := range []struct{ field, text, more, code, hint string }{
		{inRegexes, `https://.*\.example\.com`, unopted, "regex-opt-in", `write "https://*.example.com" under allowOrigins, which allows the same origins` + optIn},
		{inRegexes, `https?://(www\.)?example\.com`, unopted, "regex-opt-in", `write "http://example.com", "http://www.example.com", "https://example.com", "https://www.example.com" under allowOrigins, which together allow the same origins` + optIn},
		{inRegexes, `http://localhost:\d+`, unopted, "regex-opt-in", `write "http://localhost:*" under allowOrigins, which allows the same origins, and "http://localhost" besides` + optIn},
		{inRegexes, `https://([a-z0-9-]+\.)*example\.com`, unopted, "regex-opt-in", `write "https://example.com", "https://*.example.com" under allowOrigins, which together allow the same origins, and "https://_.example.com" besides` + optIn},
		{inRegexes, `https://app-.*\.example\.com`, unopted, "regex-opt-in", `write "https://app-*.example.com" under allowOrigins, which allows the same but for origins such as "https://app-a.a.example.com"` + optIn},
		{inRegexes, `https://app\.example\.com`, `, allowCredentials: true}, dangerously: [origin-regex]}]`, "regex-with-credentials",
			`write "https://app.example.com" under allowOrigins, which allows the same origins, or list "any-origin-with-credentials" under dangerously`},
		{inRegexes, `https://app\.example.com`, opted, "regex-open-dot", `write "https://app.example.com" under allowOrigins, which allows the same but for origins such as "https://app.exampleacom"`},
		{inRegexes, `https://app.example.com`, opted, "public-suffix", `write "https://app.example.com" under allowOrigins, which allows the same but for origins such as "https://appaexampleacom"`},
		{inRegexes, `https://app.example.com`, withCookie, "public-suffix",
			`write "https://app.example.com" under allowOrigins, which allows the same but for origins such as "https://appaexampleacom", or list "public-suffix" under dangerously`},
		{inRegexes, `https://example\.com.*`, opted, "regex-hostile", `write "https://example.com:*" under allowOrigins, which allows the same but for origins such as "https://example.coma"`},
		{inOrigins, `https://(a|b)\.example\.com`, unopted, "origin-regex", `write "https://a.example.com", "https://b.example.com", which together allow the same origins`},
		{inRegexes, `https://(?!www)\w+\.example\.com`, opted, "regex-syntax", `(?! looks ahead or behind, and RE2 has no such thing: leave it out and list the origins, or write patterns`},
		// Nothing better is known.
		{inRegexes, `https://pr-[0-9]+\.example\.com`, unopted, "regex-opt-in", asItWas},                                      // a pattern would allow more
		{inRegexes, `https://[a-g]\.example`, unopted, "regex-opt-in", asItWas},                                               // too many
		{inRegexes, `https://(a|b)*a(a|b){30}\.example\.com`, unopted, "regex-opt-in", asItWas},                               // too big
		{inRegexes, `https://a\.example|https://` + strings.Repeat("b", 256) + `\.example`, unopted, "regex-opt-in", asItWas}, // cut
		{inRegexes, `https://.*\.github\.io`, opted, "public-suffix", asItWas},                                                // the pattern has the same fault
		{inRegexes, `https://[^/]*`, opted, "regex-hostile", asItWas},                                                         // the pattern is as open
		{inRegexes, `https://app\.example\.com/`, opted, "regex-never-matches", asItWas},                                      // there is none
		{inRegexes, `(`, opted, "regex-syntax", asItWas},                                                                      // it is no regex
		{inOrigins, `https://*.github.io`, `, allowCredentials: true}}]`, "public-suffix", asItWas},                           // it is no regex
		{inOrigins, `http://localhost:300?`, unopted, "origin-regex", asItWas},                                                // it may be a glob
		{inOrigins, `https://(a|b).example.com`, unopted, "origin-regex", asItWas},                                            // the dots are open
		{inOrigins, `^https://x\.example\.com$`, unopted, "origin-regex", asItWas},                                            // a pattern is proposed
	} {
		before, after := load(t, c.field, c.text, c.more)
		found := false
		for i, d := range after {
			want := c.hint
			if want == asItWas {
				want = before[i].Hint
			}
			if d.Code != c.code {
				continue
			}
			if found = true; d.Hint != want {
				t.Errorf("%s\nwant the hint %s", d, want)
			}
		}
		if !found {
			t.Errorf("%s: no finding is %s: %v", c.text, c.code, after)
		}
	}
}

// TestManyRegexesShareABound holds that a regex that is too big does not cost the
// others their hints, and that all together cost no more than the bound.
func TestManyRegexesShareABound(t *testing.T) {
	found := make([]policyfile.Diagnostic, 200)
	for i := range found {
		found[i] = policyfile.Diagnostic{Code: "regex-opt-in", Field: "policies[0].cors.allowOriginRegexes[0]", Value: fmt.Sprintf(`https://(a|b)*a(a|b){30}\.x%d\.example`, i)}
	}
	found[1].Value, found[199].Value = `https://a\.example`, `https://b\.example`
	Hint(found)
	if found[1].Hint == "" || found[0].Hint != "" {
		t.Errorf("the hints are %q and %q", found[0].Hint, found[1].Hint)
	}
	if found[199].Hint != "" {
		t.Errorf("there was work left for %q", found[199].Hint)
	}
}
