package policy

import "testing"

func TestHostileIsAnOriginThatThePatternMatches(t *testing.T) {
	for pattern, want := range map[string]string{
		"*":                          "https://attacker.example",
		"null":                       "null",
		"https://*":                  "https://attacker.example",
		"http://*:8080":              "http://attacker.example:8080",
		"https://*:*":                "https://attacker.example:8443",
		"https://*.github.io":        "https://attacker.github.io",
		"https://app-*.vercel.app":   "https://app-attacker.vercel.app",
		"https://*-app.vercel.app:*": "https://attacker-app.vercel.app:8443",
		"http://localhost:*":         "http://localhost:8443",
		"http://app.example.com":     "http://app.example.com",
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Hostile()
		if got != want {
			t.Errorf("%s: got %s, want %s", pattern, got, want)
		}
		if o, err := ParseOrigin(got); got != "null" && (err != nil || !p.Matches(o)) {
			t.Errorf("%s does not match %s: %v", pattern, got, err)
		}
	}
}
