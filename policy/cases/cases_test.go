package cases

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/policy/respond"
)

func files(t *testing.T) []File {
	t.Helper()
	all, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func decideAll(t *testing.T, set *policy.Set, f File) {
	t.Helper()
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, line := range c.Check(set) {
				t.Errorf("%s.yaml:%d: %s", f.Name, c.Line, line)
			}
		})
	}
}

func TestCases(t *testing.T) {
	for _, f := range files(t) {
		if len(f.Cases) == 0 {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			set, err := f.Set()
			if err != nil {
				t.Fatal(err)
			}
			decideAll(t, set, f)
		})
	}
}

// One Envoy serves the policies of all files at once.
func TestCasesWithThePoliciesOfAllFiles(t *testing.T) {
	all := files(t)
	set, err := Compile(all...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		t.Run(f.Name, func(t *testing.T) { decideAll(t, set, f) })
	}
}

func TestLoadCases(t *testing.T) {
	loaded := 0
	for _, f := range files(t) {
		for _, l := range f.Loads {
			loaded++
			t.Run(f.Name+"/"+l.Name, func(t *testing.T) {
				for _, line := range l.Diff() {
					t.Errorf("%s.yaml:%d: %s", f.Name, l.Line, line)
				}
			})
		}
	}
	if loaded == 0 {
		t.Error("no file has a load entry")
	}
}

func TestEveryReasonOccurs(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range files(t) {
		for _, c := range f.Cases {
			want, _ := c.Want(Decide)
			seen[want.Reason] = true
		}
	}
	for _, r := range policy.Reasons() {
		if !seen[r.String()] {
			t.Errorf("no case wants %s", r)
		}
	}
}

// elsewhere are the situations that are about the engine, the store and
// reloading, and no single decision: the Go test that each has.
var elsewhere = map[int]struct{ folder, test string }{
	9:   {"..", "TestMatchersAgreeOnRandomLists"},
	115: {".", "TestEverySubsetOfTheListedNamesIsAllowed"},
	116: {"..", "TestAnswersAreNotSharedAcrossAppends"},
	117: {"../../server/live", "TestReloadOfFilesWhileDeciding"},
	118: {"..", "TestReloadsDoNotAccumulate"},
	121: {"../../server", "TestExtProcKeepsItsDecisionOverAReload"},
	122: {"../../server/live", "TestReloadKeepsTheLastGoodSet"},
}

func TestEverySituationOccurs(t *testing.T) {
	const situations = 125
	seen := map[string]bool{}
	for _, f := range files(t) {
		for _, name := range caseNames(f) {
			number, _, _ := strings.Cut(name, " ")
			seen[number] = true
		}
	}
	for n := 1; n <= situations; n++ {
		if e, named := elsewhere[n]; named {
			if !hasTest(t, e.folder, e.test) {
				t.Errorf("T%d: %s has no %s", n, e.folder, e.test)
			}
			continue
		}
		if !seen[fmt.Sprintf("T%d", n)] {
			t.Errorf("no case is T%d", n)
		}
	}
}

func caseNames(f File) []string {
	var names []string
	for _, c := range f.Cases {
		names = append(names, c.Name)
	}
	for _, l := range f.Loads {
		names = append(names, l.Name)
	}
	return names
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(source), "\nfunc "+name+"(t *testing.T)")
	})
}

// Envoy knows the policy's name from the virtual host, so a host has one.
func TestAHostBelongsToOneFileAndOneName(t *testing.T) {
	type owner struct{ file, policy string }
	owners := map[string]owner{}
	for _, f := range files(t) {
		for _, c := range f.Cases {
			mine := owner{f.Name, c.Policy}
			first, taken := owners[strings.ToLower(c.Client.Host)]
			if taken && first != mine {
				t.Errorf("%s.yaml:%d: %s is the host of %+v", f.Name, c.Line, c.Client.Host, first)
			}
			owners[strings.ToLower(c.Client.Host)] = mine
		}
	}
}

// A header value with white space at its ends, a line break, another control
// byte, or more than Envoy's 60 KiB never arrives as it was sent.
func TestCasesThatCannotTravelAreMarked(t *testing.T) {
	lost := regexp.MustCompile("^[ \t]|[ \t]$|[\x00-\x08\x0a-\x1f\x7f]")
	for _, f := range files(t) {
		for _, c := range f.Cases {
			size := 0
			for name, lines := range c.Client.Headers {
				for _, line := range lines {
					size += len(name) + len(line)
					if lost.MatchString(line) && c.Runs(OneTrip) {
						t.Errorf("%s.yaml:%d: %s cannot travel; mark the case with only", f.Name, c.Line, name)
					}
				}
			}
			if size > 32<<10 && c.Runs(OneTrip) {
				t.Errorf("%s.yaml:%d: %d bytes of headers cannot travel; mark the case with only", f.Name, c.Line, size)
			}
		}
	}
}

// Without an Origin it is Envoy alone that answers: what a case wants then
// follows from whether corsgate.static serves the host.
func TestCasesThatNobodyIsAskedAboutWantWhatEnvoyDoes(t *testing.T) {
	static := policy.Decision{Verdict: policy.Verdict{Answer: &policy.Answer{Action: policy.Edit, Apply: policy.ApplyStrip}}}
	leave := policy.Decision{Verdict: policy.Verdict{Answer: &policy.Answer{Action: policy.Pass}}}
	for _, f := range files(t) {
		envoy := leave
		if f.Static {
			envoy = static
		}
		for _, c := range f.Cases {
			for _, p := range Profiles() {
				if c.Asked(p) || !c.Runs(p) || p == NoTrip { // which decides all the same
					continue
				}
				want, _ := c.Want(p)
				got := Outcome{Forwarded: true, Response: respond.To(envoy, c.Upstream)}
				for _, line := range got.Diff(want) {
					t.Errorf("%s.yaml:%d: %s: %s", f.Name, c.Line, p, line)
				}
			}
		}
	}
}

// An exception that wants what the case wants anyway explains nothing.
func TestExceptionsDiffer(t *testing.T) {
	exceptions := 0
	for _, f := range files(t) {
		for _, c := range f.Cases {
			for p, x := range c.except {
				exceptions++
				if cmp.Equal(x.want.Response, c.want.Response) && x.want.Forwarded == c.want.Forwarded {
					t.Errorf("%s.yaml:%d: what %s wants is no exception", f.Name, c.Line, p)
				}
			}
		}
	}
	if exceptions == 0 {
		t.Error("no case has an exception")
	}
}

// A browser sends the names sorted, but they come in any order.
func TestEverySubsetOfTheListedNamesIsAllowed(t *testing.T) {
	names := []string{"a", "ab", "abc", "b", "content-type", "x-a", "x-ab"}
	set := policytest.Compile(t, policy.Spec{
		Name: "subsets",
		CORS: policy.CORS{AllowOrigins: []string{"https://example.com"}, AllowHeaders: names},
	})
	for bits := range 1 << len(names) {
		var subset []string
		for i, name := range names {
			if bits>>i&1 == 1 {
				subset = append(subset, name)
			}
		}
		for range len(subset) + 1 {
			sent := strings.Join(subset, ",")
			if got := preflight(set, sent); got != policy.ReasonPreflightAllowed {
				t.Errorf("%q: got %s", sent, got)
			}
			if got := preflight(set, sent+",x-abc"); got != policy.ReasonPreflightHeaderDenied {
				t.Errorf("%q and x-abc: got %s", sent, got)
			}
			if len(subset) > 0 {
				subset = append(subset[1:], subset[0])
			}
		}
	}
}

func preflight(set *policy.Set, names string) policy.Reason {
	d := set.Decide(&policy.Request{
		Method: "OPTIONS", Authority: "api.example.com", Path: "/",
		Origin: "https://example.com", RequestMethod: "GET", RequestHeaders: names,
	})
	return d.Reason
}

func TestEachCaseSaysWhereItsRuleStands(t *testing.T) {
	for _, f := range files(t) {
		if f.About == "" || len(f.Cases) > 0 && !f.HasPolicies() {
			t.Errorf("%s: about or policies is missing", f.Path)
		}
		for _, c := range f.Cases {
			if c.Why == "" || c.overlooks.some {
				t.Errorf("%s:%d: %q: why is missing, or the case is partial", f.Path, c.Line, c.Name)
			}
		}
		for _, l := range f.Loads {
			if l.Why == "" {
				t.Errorf("%s:%d: %q: why is missing", f.Path, l.Line, l.Name)
			}
		}
	}
}
