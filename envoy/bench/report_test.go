package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestJudgeSaysWhatMissesItsGoal(t *testing.T) {
	for _, test := range []struct {
		name  string
		value float64
		want  string
	}{
		{"below the goal is met", 0.84, "| it | 0.84 | ≤ 0.85 | met |"},
		{"the goal itself is met", 0.85, "| it | 0.85 | ≤ 0.85 | met |"},
		{"above the goal is missed", 0.86, "| it | 0.86 | ≤ 0.85 | **missed** |"},
		{"what was not measured is missed", math.NaN(), "| it | NaN | ≤ 0.85 | **missed** |"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r report
			r.goals("Title", "").judge("it", test.value, 0.85, "")
			var out bytes.Buffer
			if err := r.markdown(&out, 5); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "\n"+test.want+"\n") {
				t.Errorf("no row %q in\n%s", test.want, out.String())
			}
		})
	}
}

func TestJudgeBesideDecidesByTheFirst(t *testing.T) {
	for _, test := range []struct {
		name         string
		ratio, limit float64
		other        string
		want         string // empty means no row
	}{
		{"the other decides nothing", 1.169, 1.17, "9.5 [9–10]", "| it | 1.169 | ≤ 1.17 | met | 9.5 [9–10] |"},
		{"what misses by little shows it", 1.174, 1.17, "", "| it | 1.174 | ≤ 1.17 | **missed** |  |"},
		{"without a goal nothing is judged", 1.5, 0, "2 [1–3]", "| it | 1.500 |  |  | 2 [1–3] |"},
		{"the other alone is no verdict", math.NaN(), 1.17, "2 [1–3]", "| it |  |  |  | 2 [1–3] |"},
		{"what was not measured has no row", math.NaN(), 1.17, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r report
			r.section("Title", "", "what").judgeBeside("it", test.ratio, test.limit, test.other)
			var out bytes.Buffer
			if err := r.markdown(&out, 5); err != nil {
				t.Fatal(err)
			}
			if _, rows, _ := strings.Cut(out.String(), "---|\n"); strings.TrimSpace(rows) != test.want {
				t.Errorf("got %q, want %q", rows, test.want)
			}
		})
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.12345: "0.123", 3: "3", 12.345: "12.3", 123.45: "123", 98765: "98765", 0.00123456: "0.00123"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
