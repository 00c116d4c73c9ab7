package prove

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// alternatives is a group of so many names.
func alternatives(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return "(" + strings.Join(list, "|") + ")"
}

// TestLongListsAreTranslated holds that a regex that lists many names, as people
// generate them, becomes as many patterns.
func TestLongListsAreTranslated(t *testing.T) {
	for _, c := range []struct {
		name, expr string
		kind       Kind
		patterns   int
	}{
		{"names", `https://` + alternatives(600, "app%d") + `\.example\.com`, Equal, 600},
		{"optional parts", `https://(www\.)?` + alternatives(240, "app%d") + `\.example\.com(:\d+)?`, Equal, 480},
		{"below domains", `https://.*\.` + alternatives(100, "d%d") + `\.example\.com`, Equal, 100},
		{"domains and all below", `https?://([a-z0-9-]+\.)*` + alternatives(25, `d%d\.example`) + `(:\d+)?`, EqualButOddNames, 100},
	} {
		v, err := Translate(Regex{Expr: c.expr})
		if err != nil || v.Kind != c.kind || len(v.Patterns) != c.patterns {
			t.Errorf("%s: %v with %d patterns, %v; want %v with %d", c.name, v.Kind, len(v.Patterns), err, c.kind, c.patterns)
		}
	}
}

// maxAllocated bounds what a hostile regex may cost, all in all.
const maxAllocated = 1 << 30

// TestHostileRegexesEnd holds that a regex that was made to cost much ends soon, with a
// verdict or as one that is too big.
func TestHostileRegexesEnd(t *testing.T) {
	for _, expr := range []string{
		strings.Repeat("a", maxExpr+1),
		`(a|b)*a(a|b){30}`,
		`((a|b)*a(a|b){12}\.)+example\.com`,
		strings.Repeat("(", 900) + "a" + strings.Repeat(")*", 900),
		strings.Repeat(alternatives(500, "%d"), 15),
		strings.Repeat(alternatives(60, "aaaaaaaaaaaaaaaaaaaaaaaa%d"), 10),
		strings.Repeat("(a|b|.*c)*", 3000),
		`((a{9}){10}){10}`,
		strings.Repeat(`(([a-z]{10}){10}){10}`, 20),
		strings.Repeat(".*a", 1000),
		strings.Repeat(`\b.*`, 1000),
		strings.Repeat(`\pL`, 4000),
		strings.Repeat(`[a-cx-z0-9!-/]`, 4000),
		`https://.*\.` + alternatives(1000, "t%d") + `\.example\.com`,
		alternatives(4000, "https://app%d\\.example"),
	} {
		for _, mode := range []Mode{Whole, Search} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Translate(Regex{Expr: expr, Mode: mode, Fold: mode == Search})
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > maxAllocated {
				t.Errorf("%.60s takes %d bytes: %v", expr, n, err)
			}
		}
	}
}

// TestABudgetIsForAllProofs holds that what one proof spends is missing for the next.
func TestABudgetIsForAllProofs(t *testing.T) {
	r := Regex{Expr: `https://.*\.example\.com`}
	b := NewBudget(MaxWork)
	if _, err := b.Translate(r); err != nil {
		t.Fatal(err)
	}
	cost := MaxWork - b.Left()
	if cost <= 0 || cost > MaxWork/100 {
		t.Errorf("an ordinary regex costs %d", cost)
	}
	b = NewBudget(2*cost + cost/2)
	_, first := b.Translate(r)
	_, second := b.Translate(r)
	if first != nil || !errors.Is(second, ErrTooBig) || b.Left() != 0 {
		t.Errorf("the first proof ends with %v, the second one with %v, and %d is left", first, second, b.Left())
	}
}
