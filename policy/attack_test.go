package policy

import (
	"strings"
	"testing"
	"time"
)

func TestValidateRegexes(t *testing.T) {
	opted := func(by func(*Spec)) func(*Spec) { return optIn(by, OptInOriginRegex) }
	const place = "cors.allowOriginRegexes[0]"
	checkRules(t, []ruleTest{
		{"a regex without opt-in", regexes(`https://[a-z]+\.example\.com`), []string{"error [regex-opt-in] " + place}},
		{"a regex with credentials", opted(func(s *Spec) { regexes(`https://[a-z]+\.example\.com`)(s); s.CORS.AllowCredentials = true }), []string{"error [regex-with-credentials] " + place}},
		{"a regex with credentials and both opt-ins", optIn(func(s *Spec) { regexes(`https://[a-z]+\.example\.com`)(s); s.CORS.AllowCredentials = true }, OptInOriginRegex, OptInAnyOriginWithCredentials), nil},
		{"what is no regex", opted(regexes(`[`, `*`, `(?<=a)b`, `a)|(b`, ``)), []string{"error [regex-syntax] " + place, "error [regex-syntax] cors.allowOriginRegexes[1]",
			"error [regex-syntax] cors.allowOriginRegexes[2]", "error [regex-syntax] cors.allowOriginRegexes[3]", "error [regex-syntax] cors.allowOriginRegexes[4]"}},
		{"a character that no origin has", opted(regexes(`https://bücher\.example`)), []string{"error [regex-characters] " + place}},
		{"a regex listed twice", opted(regexes(`https://a\.example`, `https://a\.example`)), []string{"warning [origin-redundant] cors.allowOriginRegexes[1]"}},
		{"a good regex", opted(regexes(`^https://([a-z0-9-]+\.)+example\.com(:\d+)?$`)), nil},
		{"any text before a dot", opted(regexes(`https://.*\.example\.com`)), nil},
		{"many good ones", opted(regexes(`https?://(app|www)\.example\.co\.uk`, `.+\.example\.com`, `http://localhost(:[89]\d+)?`, `https://\w+-pr-\d{1,4}\.example\.com`, `(?i)https://app\.example\.com`)), nil},
		{"all sites", opted(regexes(`.*`)), []string{"warning [regex-hostile] " + place}},
		{"all https sites", opted(regexes(`https://[^/]+`)), []string{"warning [regex-hostile] " + place}},
		{"an open dot", opted(regexes(`https://app\.example.com`)), []string{"warning [regex-open-dot] " + place}},
		{"an open left side", opted(regexes(`https://.*example\.com`)), []string{"warning [regex-hostile] " + place}},
		{"an open left side below co.uk", opted(regexes(`https://.*example\.co\.uk`)), []string{"warning [regex-hostile] " + place}},
		{"an open right side", opted(regexes(`https://example\.com.*`)), []string{"warning [regex-hostile] " + place}},
		{"a path never matches", opted(regexes(`https://example\.com/.*`)), []string{"warning [regex-never-matches] " + place}},
		{"upper case never matches", opted(regexes(`https://Example\.com`)), []string{"warning [regex-never-matches] " + place}},
	})
}

func TestValidateShowsAWitnessForARegex(t *testing.T) {
	for expr, witness := range map[string]string{
		`https://app\.example.com`:  `"https://app.examplexcom"`,
		`https://.*example\.com`:    `"https://attackerexample.com"`,
		`https://example\.com.*`:    `"https://example.com.attacker.example"`,
		`https://[a-z.]*`:           `"https://attacker.example"`,
		`http://localhost:?.*`:      `"http://localhost.attacker.example"`,
		`https://(www.)?a\.example`: `"https://wwwxa.example"`,
	} {
		problems := Validate([]Spec{change(optIn(regexes(expr), OptInOriginRegex))})
		if len(problems) != 1 || !strings.Contains(problems[0].Reason, witness) {
			t.Errorf("%s: got %v, want the witness %s", expr, problems, witness)
		}
	}
}

func TestValidateBoundsWhatARegexCosts(t *testing.T) {
	expr := strings.Repeat(`([a-z]?|[0-9]*|x{0,9})`, 400)
	start := time.Now()
	Validate([]Spec{change(optIn(regexes(expr), OptInOriginRegex))})
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
