package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

func TestThreadCountsAreAdded(t *testing.T) {
	const out = `PID 32433: /envoy -c boot.yaml --concurrency 1
sending command status internal to pid 32433

  Totals:       Ir 
   Th 1      9,112 
   Th 2        702 
   Th 16  3,250,741 

`
	if got, err := sumOf(out); err != nil || got != 9112+702+3250741 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := sumOf("Error: Callgrind task with PID/name '1' not detected."); err == nil {
		t.Error("an answer without threads is no error")
	}
}

func TestWithoutValgrindItSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := writeCallgrind(t.TempDir(), "/envoy"); err == nil || !strings.Contains(err.Error(), "apt-get install valgrind") {
		t.Errorf("got %v", err)
	}
}

// A comparison of what is not measured would have no row, and nobody would see it.
func TestEverySetupThatIsComparedIsMeasured(t *testing.T) {
	measured := map[string]bool{}
	for _, s := range append(setups(), sized()...) {
		for _, k := range s.kinds {
			measured[costName(s.name, k.name)] = true
		}
	}
	for _, c := range comparisons() {
		for _, setup := range []string{c.this, c.that} {
			if !measured[costName(setup, c.kind.name)] {
				t.Errorf("%s: nothing measures %s of %q", c, c.kind.name, setup)
			}
		}
	}
}

// The sizes are compared for the same requests, so each must allow and deny the same.
func TestEverySizeAllowsTheSameOrigin(t *testing.T) {
	for _, n := range originCounts {
		if list := manyOrigins(n); len(list) != n || !slices.Contains(list, "https://app.example.com") {
			t.Errorf("%d origins: they are %d, or lack that of the requests", n, len(list))
		}
	}
	for _, n := range policyCounts {
		specs := apiSpecs(n)
		i := slices.IndexFunc(specs, func(s policy.Spec) bool { return s.Hosts[0] == apiHost })
		if len(specs) != n || i < 0 || !slices.Contains(specs[i].CORS.AllowOrigins, "https://app.example.com") {
			t.Errorf("%d policies: they are %d, or lack that of the requests", n, len(specs))
		}
		if _, err := compile(specs...); err != nil {
			t.Errorf("%d policies: %v", n, err)
		}
	}
}
