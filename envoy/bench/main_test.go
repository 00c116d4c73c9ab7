package main

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// runQuick builds the benchmark, as the race detector would slow down all of
// its processes, runs it quickly, and returns the report.
func runQuick(t *testing.T, folder string, args ...string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the benchmark runs on Linux")
	}
	t.Setenv(envoy.BinaryVariable, envoytest.Binary(t))
	binary := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the benchmark: %v\n%s", err, out)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"--quick", "--out", folder}, args...)...)
	cmd.Stderr = &stderr
	report, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return string(report)
}

// cells returns the cells of the row that begins with first, in the table under
// title.
func cells(t *testing.T, report, title, first string) []string {
	t.Helper()
	_, table, found := strings.Cut(report, "\n### "+title+"\n")
	if !found {
		t.Fatalf("no table %q in\n%s", title, report)
	}
	table, _, _ = strings.Cut(table, "\n### ")
	for line := range strings.Lines(table) {
		if rest, found := strings.CutPrefix(strings.TrimSpace(line), "| "+first+" |"); found {
			return strings.Split(strings.Trim(rest, "| "), " | ")
		}
	}
	t.Fatalf("no row %q in\n%s", first, table)
	return nil
}

// What is measured says nothing here, as the machine does something else, too;
// but what is counted does.
func TestQuickRunShowsEveryTable(t *testing.T) {
	folder := t.TempDir()
	report := runQuick(t, folder, partsToTest()...)
	written, err := os.ReadFile(filepath.Join(folder, "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != report {
		t.Errorf("results.md is not what was printed:\n%s", written)
	}
	for _, title := range []string{"Decide", "The service alone", "Through Envoy", "CPU a request", "Compiled policies", "The console", "What is left in Envoy", "Vary", "Open streams", "The Go runtime's settings"} {
		if !strings.Contains(report, "\n### "+title+"\n") {
			t.Errorf("no table %q", title)
		}
	}
	if strings.Contains(report, "NaN") {
		t.Errorf("something was not measured:\n%s", report)
	}
	checkCounts(t, report)
	checkCalls(t, report)
	checkAllocations(t, report)
	checkCosts(t, report)
	checkPlots(t, folder)
	checkFleet(t, report)
}

// checkFleet checks that all is measured of a store and of who follows it.
func checkFleet(t *testing.T, report string) {
	t.Helper()
	if isMissing("etcd") {
		return
	}
	for _, what := range []string{"told and read, watchers: 5", "large content: Envoy's answer has changed", "large content: an instance is ready from its state, without the store"} {
		if got := cells(t, report, "A fleet", what); len(got) != 2 {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// partsToTest are all parts, but those that need what a developer's machine may lack.
func partsToTest() []string {
	names := slices.DeleteFunc(partNames(), func(name string) bool {
		return name == "instructions" && isMissing("valgrind") || name == "fleet" && isMissing("etcd")
	})
	return []string{"--parts", strings.Join(names, ",")}
}

// isMissing reports whether a program is not there, which it must be if CI=true.
func isMissing(program string) bool {
	_, err := exec.LookPath(program)
	return err != nil && os.Getenv("CI") != "true"
}

// checkCounts checks what a machine does not change much: that a filter costs
// instructions, and that a preflight that is answered here takes fewer than one that
// is sent on.
func checkCounts(t *testing.T, report string) {
	t.Helper()
	if isMissing("valgrind") {
		return
	}
	for i, k := range every() {
		text := cells(t, report, "Instructions a request", noTrip)[i]
		_, ratio, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
		v, err := strconv.ParseFloat(ratio, 64)
		if err != nil {
			t.Fatalf("%s: %q has no ratio", k.name, text)
		}
		if isPreflight := k.method == http.MethodOptions; v == 1 || isPreflight != (v < 1) {
			t.Errorf("%s: %v of no filter", k.name, v)
		}
	}
}

// checkCalls checks who is asked about what need not be asked.
func checkCalls(t *testing.T, report string) {
	t.Helper()
	for _, s := range setups() {
		if s.service == nil {
			continue
		}
		want := "0"
		if s.asksAlways() {
			want = "100"
		}
		if got := cells(t, report, "Calls", s.name)[0]; got != want {
			t.Errorf("%s: %s calls, want %s", s.name, got, want)
		}
	}
}

// checkAllocations checks the goal for allocations, which no machine changes.
func checkAllocations(t *testing.T, report string) {
	t.Helper()
	for _, stream := range []string{"one-trip, request", "one-trip, preflight", "two-phase, request", "ext-authz, request"} {
		if got := cells(t, report, "The service alone", stream+": allocations"); got[len(got)-1] != "met" {
			t.Errorf("%s: %s allocations", stream, got[0])
		}
	}
}

// checkCosts checks that each process that takes part was measured.
func checkCosts(t *testing.T, report string) {
	t.Helper()
	zero := regexp.MustCompile(`(^|\+ )0( \+|$)`)
	for setup, want := range map[string][]bool{ // :: kind -> a zero among the three
		noFilter:        {true, true, true, true, true}, // no service
		noopTCP:         {false, false, false, false, false},
		"one-trip, TCP": {false, false, true, true, true}, // the upstream sees no preflight, the service no request without an Origin
	} {
		got := cells(t, report, "CPU a request", setup)
		for i, cell := range got {
			if n := len(strings.Split(cell, " + ")); n != 3 {
				t.Errorf("%s: %q", setup, cell)
			}
			if !want[i] && zero.MatchString(cell) {
				t.Errorf("%s, %s: %s, want no zero", setup, every()[i].name, cell)
			}
		}
	}
}

func checkPlots(t *testing.T, folder string) {
	t.Helper()
	for _, name := range []string{"origins.svg", "policies.svg", "reload.svg", "streams.svg", "memory.svg", "compiled-size.svg", "compiled-load.svg", "compiled-memory.svg"} {
		svg, err := os.ReadFile(filepath.Join(folder, "plots", name))
		if err != nil {
			t.Error(err)
			continue
		}
		var picture struct {
			Lines []struct{} `xml:"polyline"`
		}
		if err := xml.Unmarshal(svg, &picture); err != nil || len(picture.Lines) == 0 {
			t.Errorf("%s: %v, %d lines", name, err, len(picture.Lines))
		}
	}
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want string // part of the error
	}{
		{"an unknown part", []string{"--parts", "decide,nothing"}, `no part "nothing"`},
		{"no round", []string{"--rounds", "0"}, "write 5 or more"},
		{"an unknown flag", []string{"--slow"}, "slow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if _, err := parseOptions(test.args, &stderr); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	o, err := parseOptions([]string{"--quick", "--parts", "vary"}, &bytes.Buffer{})
	if err != nil || o.rounds != 1 || len(o.parts) != 1 {
		t.Errorf("got %+v, %v", o, err)
	}
}
