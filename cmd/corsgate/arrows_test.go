package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/corsgate/corsgate/"

// arrow says what packages may not import, themselves or by way of others.
type arrow struct {
	from    string // a package with all below it, or, ending in "$", it alone
	because string
	barred  func(path string) bool
}

// arrows point from what serves to what decides, and from all to policy.
var arrows = []arrow{
	{"policy$", "policy imports the standard library only", func(path string) bool { return !isStandard(path) }},
	{"policy", "what decides knows neither the service nor Envoy nor the command", anyOf("server", "envoy", "cmd")},
	{"policy/policyfile", "policy files need a parser of YAML and the public suffixes, and nothing else", func(path string) bool {
		return !isStandard(path) && !within(path, "policy") && !strings.HasPrefix(path, "go.yaml.in/yaml/") && !strings.HasPrefix(path, "golang.org/x/net/") && !strings.HasPrefix(path, "golang.org/x/text/")
	}},
	{"policy/prove", "proofs need the patterns of policy and the trees of regexes, and nothing else", func(path string) bool {
		return !isStandard(path) && path != module+"policy" && path != module+"policy/prove" && path != module+"policy/internal/retree"
	}},
	{"server", "the service knows neither Envoy's configuration nor the command", anyOf("envoy", "cmd")},
	{"server", "what serves reads no cases", anyOf("policy/cases")},
	{"envoy", "nothing imports the command", anyOf("cmd")},
	{"envoy$", "Envoy's side shares words and addresses with the service, and knows nothing else of it", func(path string) bool {
		return within(path, "server") && !within(path, "server/contract") && !within(path, "server/addr")
	}},
}

// anyOf bars packages and what is below them.
func anyOf(barred ...string) func(path string) bool {
	return func(path string) bool {
		for _, b := range barred {
			if within(path, b) {
				return true
			}
		}
		return false
	}
}

// within reports whether path is a package of this module, or is below it.
func within(path, of string) bool {
	path, own := strings.CutPrefix(path, module)
	return own && (path == of || strings.HasPrefix(path, of+"/"))
}

// isStandard reports whether path is of the standard library.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// isForTests reports whether a package is there for tests alone: what tests
// through real Envoys, and helpers, whose names end in "test".
func isForTests(path string) bool {
	return within(path, "envoy/test") || strings.HasPrefix(path, module) && strings.HasSuffix(path, "test")
}

// holds reports whether the arrow says something of a package.
func (a arrow) holds(path string) bool {
	if only, ok := strings.CutSuffix(a.from, "$"); ok {
		return path == module+only
	}
	return within(path, a.from)
}

// listed is a package as go list prints it.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-C", root, "-json=ImportPath,Imports,Deps", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	all := packages(t)
	for _, a := range arrows {
		held := 0
		for _, p := range all {
			if !a.holds(p.ImportPath) {
				continue
			}
			held++
			for _, path := range p.Deps {
				if a.barred(path) {
					t.Errorf("%s imports %s: %s", p.ImportPath, path, a.because)
				}
			}
		}
		if held == 0 {
			t.Errorf("no package is at %s", a.from)
		}
	}
}

func TestNothingIsBuiltOnWhatIsForTests(t *testing.T) {
	helpers := 0
	for _, p := range packages(t) {
		if isForTests(p.ImportPath) {
			helpers++
			continue
		}
		for _, path := range p.Deps {
			if isForTests(path) {
				t.Errorf("%s imports %s, which is for tests", p.ImportPath, path)
			}
		}
	}
	if helpers < 5 {
		t.Errorf("only %d packages are for tests", helpers)
	}
}

// maxDepth is how many packages a chain of imports of what serves may have.
const maxDepth = 5

// TestWhatServesIsShallow holds every chain of imports that begins in server, as
// all that serves does, to maxDepth packages. It counts the packages of this
// module, the first and the last one and policy's internal ones too, but neither
// the command, which reads flags for them, nor tests.
func TestWhatServesIsShallow(t *testing.T) {
	c := chains{imports: map[string][]string{}, longest: map[string][]string{}}
	for _, p := range packages(t) {
		c.imports[p.ImportPath] = p.Imports
	}
	if c.imports[module+"server/service"] == nil {
		t.Fatal("server/service imports nothing")
	}
	for path := range c.imports {
		if chain := c.from(path); within(path, "server") && !isForTests(path) && len(chain) > maxDepth {
			t.Errorf("%d packages stand on each other, and %d may: %s", len(chain), maxDepth, strings.Join(chain, " > "))
		}
	}
}

// chains finds the longest chains of imports within this module.
type chains struct {
	imports map[string][]string // :: package -> packages
	longest map[string][]string // :: package -> its longest chain, once known
}

// from returns the longest chain that begins with a package of this module, its
// names without the module's.
func (c chains) from(path string) []string {
	if known, ok := c.longest[path]; ok {
		return known
	}
	var below []string
	for _, imported := range c.imports[path] {
		if !strings.HasPrefix(imported, module) {
			continue
		}
		if chain := c.from(imported); len(chain) > len(below) {
			below = chain
		}
	}
	c.longest[path] = append([]string{strings.TrimPrefix(path, module)}, below...)
	return c.longest[path]
}

// TestPolicyBuildsForWebAssembly holds that package policy can decide where
// there is no operating system.
func TestPolicyBuildsForWebAssembly(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", root, "./policy")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
