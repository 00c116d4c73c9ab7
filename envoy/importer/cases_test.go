package importer_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/prove"
)

// caseResult translates routes of all kinds.
func caseResult() importer.Result {
	api := routeOf("api.example.com,*.example.com ^/v1,/v2 api")
	api.CORS = &source.CORS{
		Origins: []source.Origin{exact("https://app.example.com"), whole(`https://.*shop\.example`), whole(`https://[a-z]+\.b\.example`), exact("https://Upper.example")},
		Methods: list("GET", "PUT", "OPTIONS"), Headers: list("X-A", "authorization"), Credentials: true,
	}
	public := routeOf("- - public")
	public.CORS = &source.CORS{Origins: []source.Origin{{Text: text("*"), Any: source.Star}}, Methods: source.Names{Echo: true}}
	off := routeOf("api.example.com /v1/health -")
	return importer.Translate(importer.Options{}, source.Config{Routes: []source.Route{off, api, public}})
}

// failing returns the names of the cases that specs do not pass.
func failing(t *testing.T, text []byte, specs []policy.Spec) (names []string) {
	t.Helper()
	f, err := cases.Parse("imported.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	valid := policyfile.Examine(specs, func(p policy.Problem) {
		if p.Level == policy.Error {
			t.Error(p)
		}
	})
	set := policy.Compile(valid)
	for _, c := range f.Cases {
		if lines := c.Check(set); len(lines) > 0 {
			names = append(names, c.Name+": "+strings.Join(lines, "; "))
		}
	}
	return names
}

func TestCasesPassOnTheirPoliciesAndFailOnOthers(t *testing.T) {
	r := caseResult()
	text := r.Cases()
	if bad := failing(t, text, r.Policies); bad != nil {
		t.Fatalf("%q\n%s", bad, text)
	}
	for _, part := range []string{
		`"narrowed: GET https://any.example.com/v1 from https://ashop.example"`, `why: "in:1:1"`,
		"https://app.example.com.evil.example", "preflight for PUT", "preflight for UNLISTED", "with x-a", "with x-unlisted", "/v1/below", "any.example.com", "reason: policy_off", "any.example/",
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no case has %q:\n%s", part, text)
		}
	}
	if strings.Contains(string(text), "widened: ") {
		t.Errorf("nothing was widened:\n%s", text)
	}
	for about, edit := range map[string]func(p *policy.Spec){
		"another origin": func(p *policy.Spec) { p.CORS.AllowOrigins[0] = "https://other.example.com" },
		"more origins": func(p *policy.Spec) {
			p.CORS.AllowOrigins = append(p.CORS.AllowOrigins, "https://app.example.com:8443")
		},
		"no such method":    func(p *policy.Spec) { p.CORS.AllowMethods = nil },
		"all methods":       func(p *policy.Spec) { p.CORS.AllowMethods = []string{"*"} },
		"no such header":    func(p *policy.Spec) { p.CORS.AllowHeaders = []string{"authorization"} },
		"all headers":       func(p *policy.Spec) { p.CORS.AllowHeaders = []string{"*"} },
		"no credentials":    func(p *policy.Spec) { p.CORS.AllowCredentials = false },
		"another path":      func(p *policy.Spec) { p.Paths = []string{"/v3"} },
		"another host":      func(p *policy.Spec) { p.Hosts = []string{"other.example.com"} },
		"off":               func(p *policy.Spec) { p.Mode = policy.ModeOff },
		"no regex any more": func(p *policy.Spec) { p.CORS.AllowOriginRegexes = nil },
	} {
		edited := caseResult().Policies
		for i := range edited {
			if edited[i].Name == "api" {
				edit(&edited[i])
			}
		}
		if failing(t, text, edited) == nil {
			t.Errorf("%s: all cases pass", about)
		}
	}
}

// What the generated cases want is what the source does, for each system alike.
func TestCasesAreWidenedIfThePolicyIs(t *testing.T) {
	route := routeOf("- - api")
	route.CORS = &source.CORS{Origins: []source.Origin{{Text: text("x"), Regex: prove.Regex{Expr: `https://[a-z]+\.b\.example`}}}}
	r := importer.Translate(importer.Options{Widen: true}, source.Config{Routes: []source.Route{route}})
	if text := string(r.Cases()); !strings.Contains(text, `"widened: GET https://any.example/ from https://`) {
		t.Error(text)
	}
}

// A mistake of the translation is not what the cases want.
func TestCasesFailIfThePolicyDiffersUntold(t *testing.T) {
	translated := func() importer.Result {
		route := routeOf("api.example.com - api")
		route.CORS = &source.CORS{Origins: []source.Origin{exact("https://app.example.com")}, Methods: list("PUT"), Headers: list("X-A")}
		return importer.Translate(importer.Options{}, source.Config{Routes: []source.Route{route}})
	}
	if r := translated(); failing(t, r.Cases(), r.Policies) != nil {
		t.Fatalf("%s", r.Cases())
	}
	for about, spoil := range map[string]func(p *policy.Spec){
		"one more origin": func(p *policy.Spec) { p.CORS.AllowOrigins = append(p.CORS.AllowOrigins, "https://evil.example") },
		"another origin":  func(p *policy.Spec) { p.CORS.AllowOrigins = []string{"https://evil.example"} },
		"credentials":     func(p *policy.Spec) { p.CORS.AllowCredentials = true },
		"all methods":     func(p *policy.Spec) { p.CORS.AllowMethods = []string{"*"} },
		"no method":       func(p *policy.Spec) { p.CORS.AllowMethods = nil },
		"all headers":     func(p *policy.Spec) { p.CORS.AllowHeaders = []string{"*"} },
		"off":             func(p *policy.Spec) { p.Mode = policy.ModeOff },
	} {
		r := translated()
		spoil(&r.Policies[0])
		if failing(t, r.Cases(), r.Policies) == nil {
			t.Errorf("%s: all cases pass\n%s", about, r.Cases())
		}
	}
}
