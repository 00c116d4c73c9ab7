package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// shown is how many rows of the README's table have a measurement and a goal.
const shown = 10

// TestTheREADMEShowsWhatWasMeasured holds the README's table to results.md.
func TestTheREADMEShowsWhatWasMeasured(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	results, err := os.ReadFile("results.md")
	if err != nil {
		t.Fatal(err)
	}
	measured := strings.Split(string(results), "\n")
	_, section, _ := strings.Cut(string(readme), "\n## What it costs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.Contains(line, " | ≤ ") {
			continue
		}
		if rows++; !slices.Contains(measured, line) {
			t.Errorf("results.md has no %q: show what it has", line)
		}
	}
	if rows < shown {
		t.Errorf("the README shows %d measurements, want %d or more", rows, shown)
	}
}
