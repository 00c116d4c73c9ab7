package hostile

import (
	"flag"
	"os/exec"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// fuzzTime is how long each target is fed. By default it is a number of inputs,
// for the end of a time may come as an error on a busy machine.
var fuzzTime = flag.String("fuzz-time", "20000x", "how long TestFuzz feeds each fuzz target, as go test's -fuzztime")

// TestFuzz feeds what is made up to each fuzz target of the repository, one
// after the other, as go test does for one alone. It tries to shorten an input a few
// times: by default go test does so for up to a minute, also if the input is good.
func TestFuzz(t *testing.T) {
	envoytest.Full(t)
	found := 0
	for pkg, targets := range fuzzTargets(t) {
		for _, target := range targets {
			found++
			t.Run(target, func(t *testing.T) {
				goTest(t, "-run", "^$", "-fuzz", "^"+target+"$", "-fuzztime", *fuzzTime, "-fuzzminimizetime", "100x", pkg)
			})
		}
	}
	if found < 10 {
		t.Errorf("only %d fuzz targets were found", found)
	}
}

// fuzzTargets are the names of the fuzz targets.
func fuzzTargets(t *testing.T) map[string][]string { // :: package -> targets
	t.Helper()
	targets := map[string][]string{}
	var last []string
	for line := range strings.Lines(goTest(t, "-list", "^Fuzz", "github.com/corsgate/corsgate/...")) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "Fuzz"):
			last = append(last, words[0])
		case strings.HasPrefix(line, "ok"): // the end of a package
			targets[words[1]], last = last, nil
		}
	}
	return targets
}

// goTest runs go test and returns what it prints.
func goTest(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"test"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go test %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
