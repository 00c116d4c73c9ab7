package prove

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

var update = flag.Bool("update", false, "rewrite the verdicts of testdata/regexes.txt")

const regexFile = "testdata/regexes.txt"

// regexCases returns the regexes of testdata/regexes.txt with what is written below each.
func regexCases(t testing.TB) (regexes []Regex, verdicts []string) {
	t.Helper()
	text, err := os.ReadFile(regexFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n\n") {
		head, verdict, _ := strings.Cut(block, "\n")
		mode, expr, _ := strings.Cut(head, " ")
		mode, fold := strings.CutSuffix(mode, "-fold")
		modes := map[string]Mode{"whole": Whole, "prefix": Prefix, "search": Search}
		if _, known := modes[mode]; !known {
			t.Fatalf("no mode %q", mode)
		}
		regexes = append(regexes, Regex{Expr: expr, Mode: modes[mode], Fold: fold})
		verdicts = append(verdicts, verdict)
	}
	return regexes, verdicts
}

// heading is the line of a regex in testdata/regexes.txt.
func heading(r Regex) string {
	mode := [...]string{"whole", "prefix", "search"}[r.Mode]
	if r.Fold {
		mode += "-fold"
	}
	return mode + " " + r.Expr
}

// told is a verdict as it stands in testdata/regexes.txt.
func told(v Verdict, err error) string {
	if err != nil {
		return "  error: " + err.Error()
	}
	lines := []string{v.Kind.String()}
	lines = append(lines, v.Patterns...)
	for _, w := range []struct{ name, witness string }{
		{"lost", v.Lost}, {"lost-own", v.LostOwn}, {"hole", v.Hole}, {"added", v.Added}, {"wider", strings.Join(v.Wider, " ")},
	} {
		if w.witness != "" {
			lines = append(lines, w.name+": "+w.witness)
		}
	}
	for _, w := range v.Widening {
		lines = append(lines, fmt.Sprintf("widening: %s allows %s", w.Pattern, w.Witness))
	}
	return "  " + strings.Join(lines, "\n  ")
}

// TestVerdicts holds the verdicts of regexes that people use, and of those that break
// a rule each.
func TestVerdicts(t *testing.T) {
	regexes, want := regexCases(t)
	var blocks []string
	for i, r := range regexes {
		v, err := Translate(r)
		got := told(v, err)
		blocks = append(blocks, heading(r)+"\n"+got)
		if got != want[i] && !*update {
			t.Errorf("%s\ngot\n%s\nwant\n%s", heading(r), got, want[i])
		}
		if err == nil {
			holdWitnesses(t, r, v)
		}
	}
	if *update {
		if err := os.WriteFile(regexFile, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// holdWitnesses checks that the witnesses of a verdict are origins, and that package
// regexp and the patterns say of them what the verdict does.
func holdWitnesses(t *testing.T, r Regex, v Verdict) {
	t.Helper()
	match, err := matcher(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		name, witness    string
		matched, allowed bool
	}{{"lost", v.Lost, true, false}, {"lost-own", v.LostOwn, true, false}, {"hole", v.Hole, true, v.Hole != v.Lost && allows(t, v.Patterns, cmp.Or(v.Hole, v.Lost))}, {"added", v.Added, false, true}} {
		if w.witness == "" {
			continue
		}
		if match(w.witness) != w.matched || allows(t, v.Patterns, w.witness) != w.allowed {
			t.Errorf("%s: %s %s is not one", heading(r), w.name, w.witness)
		}
	}
	for _, w := range v.Widening {
		if match(w.Witness) || !allows(t, []string{w.Pattern}, w.Witness) {
			t.Errorf("%s: %s does not show that %s allows more", heading(r), w.Witness, w.Pattern)
		}
	}
}

// allows reports whether any of the patterns allows an origin.
func allows(t *testing.T, patterns []string, origin string) bool {
	t.Helper()
	if origin == "" {
		return false
	}
	o, err := policy.ParseOrigin(origin)
	if err != nil {
		t.Errorf("%s: %v", origin, err)
	}
	for _, s := range patterns {
		p, err := policy.ParsePattern(s)
		if err != nil {
			t.Error(err)
		}
		if p.Matches(o) {
			return true
		}
	}
	return false
}
