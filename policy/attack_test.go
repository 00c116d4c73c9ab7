package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestValidateRegexes(t *testing.T) {
	opted := func(by func(*Spec)) func(*Spec) { return optIn(by, OptInOriginRegex) }
	credentialed := func(expr string, more ...OptIn) func(*Spec) {
		by := func(s *Spec) { regexes(expr)(s); s.CORS.AllowCredentials = true }
		return optIn(by, append(more, OptInOriginRegex, OptInAnyOriginWithCredentials)...)
	}
	const place = "cors.allowOriginRegexes[0]"
	checkRules(t, []ruleTest{
		{"a regex without opt-in", regexes(`https://[a-z]+\.example\.com`), []string{"error [regex-opt-in] " + place}},
		{"a regex with credentials", opted(func(s *Spec) { regexes(`https://[a-z]+\.example\.com`)(s); s.CORS.AllowCredentials = true }), []string{"error [regex-with-credentials] " + place}},
		{"a regex with credentials and both opt-ins", optIn(func(s *Spec) { regexes(`https://[a-z]+\.example\.com`)(s); s.CORS.AllowCredentials = true }, OptInOriginRegex, OptInAnyOriginWithCredentials), nil},
		{"what is no regex", opted(regexes(`[`, `*`, `(?<=a)b`, `a)|(b`, ``)), []string{"error [regex-syntax] " + place, "error [regex-syntax] cors.allowOriginRegexes[1]",
			"error [regex-syntax] cors.allowOriginRegexes[2]", "error [regex-syntax] cors.allowOriginRegexes[3]", "error [regex-syntax] cors.allowOriginRegexes[4]"}},
		{"a character that no origin has", opted(regexes(`https://bücher\.example`)), []string{"error [regex-characters] " + place}},
		{"text without an end", opted(regexes(`\Qhttps://a.example`, `https://a\.example\Q`, `\Qhttps://a.example\`)), []string{"error [regex-syntax] " + place,
			"error [regex-syntax] cors.allowOriginRegexes[1]", "error [regex-syntax] cors.allowOriginRegexes[2]"}},
		{"text with an end", opted(regexes(`\Qhttps://a.example\E`)), nil},
		{"http by one alternative, with credentials", credentialed(`(http|https)://.*\.example\.com(:[0-9]+)?`), []string{"error [insecure-origin] " + place}},
		{"http by an optional letter, with credentials", credentialed(`https?://app\.example\.com`), []string{"error [insecure-origin] " + place}},
		{"http by any text, with credentials", credentialed(`.+\.example\.com`), []string{"error [insecure-origin] " + place}},
		{"http of this machine, with credentials", credentialed(`https?://(localhost|127\.0\.0\.1)(:\d+)?`), nil},
		{"http with credentials and its opt-in", credentialed(`https?://app\.example\.com`, OptInInsecureOrigins), nil},
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
		{"an open top-level domain", opted(regexes(`https://example\.[a-z]+`)), []string{"warning [regex-hostile] " + place}},
		{"some top-level domains", opted(regexes(`https://example\.(com|net|org)`)), nil},
		{"a path never matches", opted(regexes(`https://example\.com/.*`)), []string{"warning [regex-never-matches] " + place}},
		{"upper case never matches", opted(regexes(`https://Example\.com`)), []string{"warning [regex-never-matches] " + place}},
	})
}

func TestValidateSaysWhatAnOpenQuoteLacks(t *testing.T) {
	problems := problemsOf(change(optIn(regexes(`\Qhttps://a.example`), OptInOriginRegex)))
	if len(problems) != 1 || !strings.Contains(problems[0].Reason+problems[0].Hint, `\E`) || strings.Contains(problems[0].Reason, "(?:") {
		t.Errorf("got %v", problems)
	}
}

// What validates compiles: both take a regex for the same.
func TestCompileTakesEachRegexThatValidates(t *testing.T) {
	deep := strings.Repeat("(", 999) + "a" + strings.Repeat(")", 999)
	for _, expr := range []string{`\Qa`, `a\Q`, `a|\Q`, `(?:\Q)`, `\Qa\Eb`, `\\Q`, `[\Q]`, deep, "(" + deep + ")", `(?i)a`, `(?s:.)`, `a{1000}`, `(a{10}){100}`, `(a{10}){101}`, `\z`, `^a$`} {
		spec := change(optIn(regexes(expr), OptInOriginRegex))
		valid, problems := Validate([]Spec{spec})
		if problems.HasErrors() {
			continue
		}
		if n := len(Compile(valid).byName[spec.Name].origins.regexes); n != 1 {
			t.Errorf("%.40s validates, but the set has %d regexes", expr, n)
		}
	}
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
		problems := problemsOf(change(optIn(regexes(expr), OptInOriginRegex)))
		if len(problems) != 1 || !strings.Contains(problems[0].Reason, witness) {
			t.Errorf("%s: got %v, want the witness %s", expr, problems, witness)
		}
	}
}

// However many ways there are to match, each alternative is tried.
func TestRegexProbesKnowEachAlternative(t *testing.T) {
	for _, expr := range []string{
		`https?://(app|www|api|admin)-?[a-z0-9]*\.(preview|staging)\.(example\.com|example\.net)`,
		`https?://(app|www|api|admin)-?[a-z0-9]*\.(preview|staging)\.example\.com(:[0-9]+)?|https://staging\.example\.net`,
	} {
		own, accepts := RegexProbes(expr), RegexAccepts(expr)
		for _, part := range []string{"http://", "https://", "app", "www", "api", "admin", "preview", "staging", "example.com", "example.net"} {
			if !slices.ContainsFunc(own, func(o string) bool { return strings.Contains(o, part) && accepts(o) }) {
				t.Errorf("%s: none of %q has %s", expr, own, part)
			}
		}
	}
	if probes, accepts := RegexProbes(`a)|(b`), RegexAccepts(`a)|(b`); probes != nil || accepts != nil {
		t.Errorf("what is no regex has the origins %q", probes)
	}
}

// alternatives are n of that form.
func alternatives(n int, form string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(form, i)
	}
	return strings.Join(list, "|")
}

// Whatever stands before it, an alternative that allows too much is found.
func TestValidateTriesEachAlternative(t *testing.T) {
	many := alternatives(80, `https://([a-z]+\.)?a%d\.example\.com(:\d+)?`)
	for expr, code := range map[string]string{
		many + `|http://app\.example\.com`: "insecure-origin",
		many + `|https://.*example\.com`:   "regex-hostile",
		many + `|https://app\.example.com`: "regex-open-dot",
		`https://(` + alternatives(200, "a%d") + `|.*)\.example\.com|https://(` + alternatives(200, `b%d\.example\.com`) + `|.*example\.net)`: "regex-hostile",
		alternatives(20_000, `https://a%d\.example\.com`): "regex-too-big",
	} {
		s := change(optIn(regexes(expr), OptInOriginRegex, OptInAnyOriginWithCredentials))
		s.CORS.AllowCredentials = true
		if problems := problemsOf(s); len(problems) != 1 || problems[0].Code != code {
			t.Errorf("%.60s: got %v, want %s", expr, problems, code)
		}
	}
}

func TestCrossHasEachPairOnce(t *testing.T) {
	for _, tt := range []struct{ heads, tails, want string }{
		{"", "12", ""}, {"ab", "", ""}, {"ab", "1", "a1 b1"}, {"a", "12", "a1 a2"}, {"ab", "12", "a1 b2 a2 b1"},
		{"abc", "12", "a1 b2 c1 a2 b1 c2"}, {"ab", "123", "a1 b2 a3 b1 a2 b3"},
	} {
		got := strings.Join(cross(strings.Split(tt.heads, ""), strings.Split(tt.tails, "")), " ")
		if got != tt.want {
			t.Errorf("cross(%q, %q) = %q, want %q", tt.heads, tt.tails, got, tt.want)
		}
	}
}

// Trying every combination of these would never end.
func TestValidateBoundsWhatARegexCosts(*testing.T) {
	expr := strings.Repeat(`([a-z]?|[0-9]*|x{0,9})`, 400)
	problemsOf(change(optIn(regexes(expr), OptInOriginRegex)))
}

func TestAttackQuotesLittleOfALongRegex(t *testing.T) {
	problems := problemsOf(change(optIn(regexes(strings.Repeat("(", 100_000)), OptInOriginRegex)))
	if len(problems) != 1 || len(problems[0].String()) > 2000 {
		t.Errorf("got %d problems, the first of %d bytes", len(problems), len(problems[0].String()))
	}
}
