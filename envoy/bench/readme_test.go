package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what results.md has into the README's table")

// shown is how many rows of the README's table have a measurement and a goal.
const shown = 10

// TestTheREADMEShowsWhatWasMeasured holds the README's table to results.md.
func TestTheREADMEShowsWhatWasMeasured(t *testing.T) {
	const file, title = "../../README.md", "\n## What it costs\n"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile("results.md")
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string]string{} // :: what -> row
	for line := range strings.Lines(string(results)) {
		measured[whatOf(line)] = line
	}
	before, rest, _ := strings.Cut(string(readme), title)
	section, after, _ := strings.Cut(rest, "\n## ")
	rows := 0
	var current strings.Builder
	for line := range strings.Lines(section) {
		if !strings.Contains(line, " | ≤ ") {
			current.WriteString(line)
			continue
		}
		row := measured[whatOf(line)]
		if rows++; row == "" || row != line && !*update {
			t.Errorf("results.md has %q, not %q: go test ./envoy/bench -run README -update", row, line)
		}
		current.WriteString(row)
	}
	if rows < shown {
		t.Errorf("the README shows %d measurements, want %d or more", rows, shown)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, []byte(before+title+current.String()+"\n## "+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// timed are the times in the name of a row, which a measurement changes.
var timed = regexp.MustCompile(` \([0-9.]+ / [0-9.]+ µs\)`)

// whatOf names a row.
func whatOf(line string) string {
	what, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
	return timed.ReplaceAllString(what, "")
}
