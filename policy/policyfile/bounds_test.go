package policyfile

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy"
	"go.yaml.in/yaml/v4"
)

// withGroup is a policy whose origins are those of g.txt.
const withGroup = "originGroups: {g: {file: g.txt}}\npolicies: [{name: a, cors: {allowOrigins: ['group:g']}}]\n"

func manyOf(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Each file has many mistakes and, in the end, one that must be seen or counted.
func TestLoadKeepsFewOfManyMistakes(t *testing.T) {
	const n = 3 * MaxDiagnostics
	for name, tt := range map[string]struct {
		policies, list string
		want           string // of the errors that are shown
		more           string
	}{
		"warnings before an error":     {withGroup, strings.Repeat("https://a.example\n", n) + "https://b.example/\n", "origin-trailing-slash", "2000 more"},
		"errors in a group file":       {withGroup, manyOf("https://a%d.example/\n", n), "origin-trailing-slash", "2000 more"},
		"groups in a group file":       {withGroup, manyOf("group:%d\n", n), "group-nested", "2000 more"},
		"entries that are no policies": {"policies: [" + strings.Repeat("a,", n) + "a]", "", "yaml-type", "2001 more"},
		"unknown fields":               {"policies:\n- name: a\n" + manyOf("  f%d: 1\n", n), "", "unknown-field", "2000 more"},
		"unknown groups":               {"policies: [{name: a, cors: {allowOrigins: [" + manyOf("'group:%d',", n) + "]}}]", "", "group-unknown", "2000 more"},
		"policies that overlap":        {"policies:\n" + manyOf("- {name: p%d, cors: {allowOrigins: ['https://a.example']}}\n", n), "", "policy-overlap", "1999 more"},
		"a list that aliases use again": {
			"policies:\n- {name: a, hosts: [a.test], cors: &c {allowOrigins: [" + manyOf("'https://a%d.example/',", n) + "]}}\n- {name: b, hosts: [b.test], cors: *c}\n",
			"", "origin-trailing-slash", "2000 more",
		},
		"a group that policies use again": {
			"originGroups: {g: {file: g.txt}}\npolicies:\n" + manyOf("- {name: p%d, hosts: [p%[1]d.test], cors: {allowOrigins: ['group:g']}}\n", 3),
			manyOf("https://a%d.example/\n", n), "origin-trailing-slash", "2000 more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ds := Load(files("p.yaml", tt.policies, "g.txt", tt.list), "").Diagnostics
			if len(ds) != MaxDiagnostics+1 {
				t.Fatalf("%d diagnostics, the first is %v", len(ds), ds[0])
			}
			last := ds[MaxDiagnostics]
			if last.Code != "diagnostics-limit" || !strings.HasPrefix(last.Reason, tt.more) {
				t.Errorf("the last is %v, want %s", last, tt.more)
			}
			if i := slices.IndexFunc(ds, isError); i < 0 || ds[i].Code != tt.want {
				t.Errorf("the error %s is not among what is shown", tt.want)
			}
			if !slices.IsSortedFunc(ds[:MaxDiagnostics], byPlace) {
				t.Error("not sorted by place")
			}
		})
	}
}

// What is kept of the mistakes keeps nothing else of the files.
func TestDiagnosticsKeepNothingOfTheFiles(t *testing.T) {
	before := heap()
	r := Load(files("p.yaml", withGroup, "g.txt", "https://a.example/\n"+manyOf("https://tenant-%07d.customers.example.com\n", 200_000)), "")
	if kib := (heap() - before) / 1024; kib > 1024 {
		t.Errorf("%d KiB for %d diagnostics", kib, len(r.Diagnostics))
	}
	runtime.KeepAlive(r)
}

// heap returns the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestDiagnosticsSayLittleOfLongTexts(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, text := range map[string]string{
		"a field":      "policies: [{" + long + ": 1}]",
		"a group":      "originGroups: {? " + long + " : [1, 2]}",
		"a list":       "policies: [{hosts: " + long + "}]",
		"an anchor":    "policies: [*" + long + "]",
		"a policy":     "policies: [{name: " + long + ", cors: {allowOrigins: ['https://a.example']}}]",
		"its members":  "originGroups: {g: ['http://a.example', 'https://*']}\npolicies: [{name: " + long + ", cors: {allowCredentials: true, allowOrigins: ['group:g']}}]",
		"its overlaps": "policies: [{name: " + long + ", cors: {allowOrigins: ['https://a.example']}}, {name: " + long + "y, cors: {allowOrigins: ['https://a.example']}}]",
		"a regex":      "policies: [{name: a, dangerously: [origin-regex], cors: {allowOriginRegexes: ['(" + long + "']}}]",
		"a host":       "policies: [{name: a, hosts: ['" + long + ":1'], cors: {allowOrigins: ['https://a.example']}}]",
		"a path":       "policies: [{name: a, paths: ['" + long + "'], cors: {allowOrigins: ['https://a.example']}}]",
	} {
		ds := Load(files("p.yaml", text), "").Diagnostics
		if len(ds) == 0 {
			t.Errorf("%s: nothing is said", name)
		}
		for _, d := range ds {
			if len(d.Field)+len(d.String()) > 3000 {
				t.Errorf("%s: %d bytes of field and %d of text", name, len(d.Field), len(d.String()))
			}
		}
	}
}

// countingFS counts how often its files are opened.
type countingFS struct {
	fstest.MapFS
	opened map[string]int
}

func (f countingFS) Open(name string) (fs.File, error) {
	f.opened[name]++
	return f.MapFS.Open(name)
}

func (f countingFS) ReadFile(name string) ([]byte, error) {
	f.opened[name]++
	return f.MapFS.ReadFile(name)
}

func TestGroupsOfTheSameFileShareIt(t *testing.T) {
	fsys := countingFS{files(
		"p.yaml", `
originGroups: {a: {file: g.txt}, b: {file: ./g.txt}, c: {file: g.txt}}
policies:
- {name: a, hosts: [a.test], cors: {allowOrigins: ['group:a']}}
- {name: b, hosts: [b.test], cors: {allowOrigins: ['group:b', 'https://last.example']}}
- {name: c, hosts: [c.test], cors: {allowOrigins: ['group:c']}}
`, "g.txt", "https://a.example\nhttps://b.example\n"), map[string]int{}}
	r := Load(fsys, "")
	if r.HasErrors() || len(r.Policies.Specs()) != 3 {
		t.Fatal(r.Diagnostics)
	}
	for i, want := range [][]string{{"https://a.example", "https://b.example"}, {"https://a.example", "https://b.example", "https://last.example"}, {"https://a.example", "https://b.example"}} {
		if got := r.Policies.Specs()[i].CORS.AllowOrigins; !slices.Equal(got, want) {
			t.Errorf("policy %d has %q, want %q", i, got, want)
		}
	}
	if n := fsys.opened["g.txt"]; n != 1 {
		t.Errorf("the file was read %d times", n)
	}
}

// A group file of empty lines and comments costs nothing but its own size.
func TestLoadKeepsNothingOfWhatStandsBetweenOrigins(t *testing.T) {
	l := newLoader(nil, "", bounds(), memory{})
	before := heap()
	g := l.readLines("g.txt", []byte(strings.Repeat("\n", 1<<20)+"https://a.example\n"+strings.Repeat("# a comment\n", 1<<16)))
	if kib := (heap() - before) / 1024; kib > 256 || len(g.texts) != 1 {
		t.Errorf("%d KiB for %d members", kib, len(g.texts))
	}
	runtime.KeepAlive(g)
	runtime.KeepAlive(l)
}

// Texts that aliases repeat cost time as often as they are named.
func TestLoadBoundsTheTextThatAliasesStandFor(t *testing.T) {
	lim := bounds()
	lim.aliased = 1000
	text := "policies:\n- name: a\n  paths: [&a '/" + strings.Repeat("a", 10_000) + "', *a, *a, *a, *a, *a, *a, *a, *a, *a]\n  cors: {allowOrigins: ['https://a.example']}\n"
	r := loadWithin(new(Loader), files("p.yaml", text), "", lim)
	if !slices.ContainsFunc(r.Diagnostics, func(d Diagnostic) bool { return d.Code == "yaml-aliases" }) {
		t.Errorf("a long text counts no more than a short one: %v", r.Diagnostics)
	}
}

// checkNodes reports whether a file has more nodes than were counted.
func checkNodes(data []byte) error {
	counted := 3 // the document, what it holds, and its first entry
	for i := range data {
		counted += nodesAt(data, i)
	}
	root, bad := parse(data, MaxNodes)
	if bad != nil {
		return nil
	}
	if n := nodes(root); n > counted {
		return fmt.Errorf("%d nodes in %q, and %d are counted", n, data, counted)
	}
	return nil
}

func nodes(n *yaml.Node) int {
	count := 1
	for _, c := range n.Content {
		count += nodes(c)
	}
	return count
}

// nodesOf are texts of many nodes for their size.
var nodesOf = []string{
	"a,", "[a,a,a]", "{a,a,a}", "{a: b,c: d}", "[a: b,c: d]", "[:,:,:]", "[?a,?b]", "[? a : b,? c]", "{?a,?}", `{"a":"b","c":"d"}`, `["a":b,"c":/d]`, "[[],[],{},{}]",
	"-\n-\n-", "- a\n- b\n", "- - - a\n- - b\n", "a:\n b:\n  c:\n", "? a\n? b\n: c\n", "?\n?\n", "- ? a\n- a: b\n", "a:\n- b\n- c\n", "-\r", "-\u0085", "?\r", "[" + strings.Repeat(`"a":/b,`, 20) + "]", "a:\r",
	"&a a: *a\n*a : b\n", "[!a ,!b ,&c ,]", "- |\n a\n- >\n b\n", "---\na\n", "- 'a\n  b'\n- c # d\n",
}

func TestNodesAreCountedFromAbove(t *testing.T) {
	for _, text := range nodesOf {
		for _, text := range []string{text, strings.Repeat(text, 20)} { // if that is YAML
			if err := checkNodes([]byte(text)); err != nil {
				t.Error(err)
			}
		}
	}
}

func FuzzNodesAreCountedFromAbove(f *testing.F) {
	for _, text := range nodesOf {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := checkNodes(data); err != nil {
			t.Fatal(err)
		}
	})
}

// Large files that are written by programs are far from the bound.
func TestNodesOfLargeFilesAreWithinTheirBound(t *testing.T) {
	for name, text := range map[string]string{
		"a list of origins": "policies:\n- name: a\n  cors:\n    allowOrigins:\n" + manyOf("    - https://tenant-%06d.example.com # since 2020, paid\n", 100_000),
		"policies": "policies:\n" + manyOf(`- name: t%06d
  hosts: [t%[1]d.example.com]
  cors:
    allowOrigins: ["https://t%[1]d.example.com"]
    allowMethods: [GET, PUT]
    allowHeaders: [authorization, content-type]
    allowCredentials: true
`, 16_000),
		"JSON": `{"policies":[` + manyOf(`{"name":"t%d","hosts":["t%[1]d.example.com"],"cors":{"allowOrigins":["https://t%[1]d.example.com"],"allowMethods":["GET","PUT"],"maxAge":600}},`, 12_000) + `{"name":"t","hosts":["t.example.com"],"cors":{"allowOrigins":["*"]}}]}`,
	} {
		if at, many := manyNodes([]byte(text), MaxNodes); many || len(text) > MaxPolicyFile {
			t.Errorf("%s of %d bytes: too many nodes at %v", name, len(text), at)
		}
	}
}

// An error that comes after many others is one all the same, whatever its place.
func TestLoadRefusesWhateverIsShown(t *testing.T) {
	lim := bounds()
	lim.findings = 2
	r := loadWithin(new(Loader), files("p.yaml", withGroup, "g.txt", strings.Repeat("https://a.example\n", 100)+"x\n"), "", lim)
	if !r.HasErrors() || r.Policies != nil || r.Diagnostics[1].Level != policy.Error {
		t.Errorf("got %v", r.Diagnostics)
	}
}
