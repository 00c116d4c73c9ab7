package policy

import (
	"reflect"
	"strings"
	"testing"
)

func TestValidateRefusesBadSpecsWithAllProblems(t *testing.T) {
	bad := change(origins("https://example.com/", "HTTPS://b.test"))
	valid, problems := Validate([]Spec{exampleSpec(), bad})
	if len(problems) < 2 || !problems.HasErrors() {
		t.Fatalf("got %v", problems)
	}
	if text := problems.Error(); !strings.Contains(text, "origin-trailing-slash") || !strings.Contains(text, "origin-case") {
		t.Errorf("the error names not all problems: %s", text)
	}
	if valid != nil {
		t.Errorf("what is refused is valid: %+v", valid)
	}
}

func TestValidHasWhatOnlyWarnsOfSpecsInTheirNormalForm(t *testing.T) {
	in := []Spec{change(origins("https://a.test", "https://a.test")), change(mode(ModeShadow))}
	in[1].Name = "next"
	valid, problems := Validate(in)
	if len(problems) != 1 || problems[0].Code != "origin-redundant" || problems[0].Field != "cors.allowOrigins[1]" {
		t.Errorf("got %v", problems)
	}
	want := []Spec{change(origins("https://a.test")), in[1]}
	set := Compile(valid)
	if !reflect.DeepEqual(valid.Specs(), want) || !reflect.DeepEqual(set.Specs(), want) || set.Hash() != valid.Hash() {
		t.Errorf("got %+v, the set has %+v, want %+v", valid.Specs(), set.Specs(), want)
	}
}

// Who changes what was judged must not change what is compiled.
func TestValidSharesNothingWithWhatWasJudged(t *testing.T) {
	in := []Spec{exampleSpec()}
	valid, _ := Validate(in)
	in[0].Name, in[0].CORS.AllowOrigins[0], in[0].Hosts[0], *in[0].CORS.MaxAge = "", "bad", "bad", -1
	if !reflect.DeepEqual(valid.Specs(), []Spec{exampleSpec()}) {
		t.Errorf("got %+v", valid.Specs())
	}
}

func TestNoSpecsAreValid(t *testing.T) {
	none, problems := Validate(nil)
	if none == nil || len(problems) > 0 || len(none.Specs()) > 0 || none.Hash() == "" {
		t.Errorf("got %+v, %v", none, problems)
	}
}

func TestHashFollowsTheSpecs(t *testing.T) {
	hash := func(s Spec) string { return mustCompile(t, s).Hash() }
	a, b := exampleSpec(), exampleSpec()
	b.Mode, b.CORS.AllowHeaders = ModeEnforce, []string{"Content-Type", "X-A", "X-B"}
	if hash(a) != hash(b) {
		t.Error("specs of the same normal form have different hashes")
	}
	b.CORS.MaxAge = ptr(601)
	if hash(a) == hash(b) {
		t.Error("different specs have the same hash")
	}
}
