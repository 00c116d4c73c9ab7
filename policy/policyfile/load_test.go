package policyfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy"
	"github.com/rogpeppe/go-internal/txtar"
)

func files(content ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i+1 < len(content); i += 2 {
		fsys[content[i]] = &fstest.MapFile{Data: []byte(content[i+1])}
	}
	return fsys
}

// lines returns the diagnostics without their texts.
func lines(r Result) []string {
	list := []string{}
	for _, d := range r.Diagnostics {
		list = append(list, fmt.Sprintf("%s:%d:%d %s", d.File, d.Line, d.Column, d.Code))
	}
	return list
}

func TestLoadReadsGroupFilesOfOtherSystems(t *testing.T) {
	r := Load(files(
		"p.yaml", "originGroups: {t: {file: t.txt}}\npolicies: [{name: a, cors: {allowOrigins: ['group:t']}}]",
		"t.txt", "\ufeffhttps://a.example\r\n# comment\r\n\r\n\t https://b.example\t# comment\r\nhttps://c.example",
	), "")
	if r.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	want := []string{"https://a.example", "https://b.example", "https://c.example"}
	if got := r.Policies.Specs()[0].CORS.AllowOrigins; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadPlacesMistakesOfGroupFiles(t *testing.T) {
	r := Load(files(
		"p.yaml", "originGroups: {t: {file: sub/t.txt}}\npolicies: [{name: a, cors: {allowOrigins: ['group:t']}}]",
		"sub/t.txt", "\ufeffhttps://a.example/\r\n\r\n  https://b.example#x\r\nbücher https://c.example\r\n",
	), "etc")
	want := []string{"etc/sub/t.txt:1:1 origin-trailing-slash", "etc/sub/t.txt:3:3 origin-path", "etc/sub/t.txt:4:1 origin-scheme"}
	got := lines(r)
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || !strings.HasPrefix(got[2], "etc/sub/t.txt:4:1") {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Policies != nil {
		t.Error("policies beside errors")
	}
}

func TestLoadReadsAMountedFolder(t *testing.T) {
	// A ConfigMap is mounted as links into a hidden folder.
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "..2026"), 0o755),
		os.WriteFile(filepath.Join(dir, "..2026", "p.yaml"), []byte("policies: [{name: a, cors: {allowOrigins: ['*']}}]"), 0o644),
		os.Symlink("..2026", filepath.Join(dir, "..data")),
		os.Symlink(filepath.Join("..data", "p.yaml"), filepath.Join(dir, "p.yaml")),
		os.WriteFile(filepath.Join(dir, ".p.yaml.swp"), []byte("{"), 0o644),
		os.Mkdir(filepath.Join(dir, "folder.yaml"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := Load(os.DirFS(dir), dir)
	if len(r.Diagnostics) != 0 || len(r.Policies.Specs()) != 1 {
		t.Errorf("got %+v, %v", r.Policies, r.Diagnostics)
	}
}

// chosenFS is the folder of a file that was given by its name.
type chosenFS struct {
	fstest.MapFS
	name string
}

func (f chosenFS) PolicyFile() string { return f.name }

func TestLoadReadsAFileThatWasChosenWhateverItsName(t *testing.T) {
	all := files("c.conf", "policies: [{name: a, cors: {allowOrigins: ['*']}}]", ".c", "policies: [{name: b, cors: {allowOrigins: ['*']}}]", "p.yaml", "policies: [{name: c, cors: {allowOrigins: ['*']}}]")
	for chosen, want := range map[string]string{"c.conf": "a", ".c": "b", "p.yaml": "c", "": "c"} {
		r := Load(chosenFS{all, chosen}, "")
		if r.HasErrors() || len(r.Policies.Specs()) != 1 || r.Policies.Specs()[0].Name != want {
			t.Errorf("%q: got %+v, %v, want the policy %s", chosen, r.Policies, r.Diagnostics, want)
		}
	}
}

// failingFS has files that cannot be read.
type failingFS struct{ err error }

func (f failingFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
}

func TestLoadReportsAFolderThatCannotBeRead(t *testing.T) {
	r := Load(failingFS{errors.New("device gone")}, "etc")
	if got := lines(r); !slices.Equal(got, []string{"etc:1:1 file-unreadable"}) || !strings.Contains(r.Diagnostics[0].Reason, "device gone") {
		t.Errorf("got %v", r.Diagnostics)
	}
}

// To read any of these whole would take hours, and more memory than there is.
func TestLoadRefusesDeepNestingAtOnce(t *testing.T) {
	indented := func(size int) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	const below, above, many = 7 << 20, 10 << 20, MaxNodes / 5
	for _, tt := range []struct{ title, data, code string }{
		{"brackets", strings.Repeat("[", many), "yaml-nesting"},
		{"braces", strings.Repeat("{a: ", many), "yaml-nesting"},
		{"JSON", strings.Repeat(`{"a":`, many), "yaml-nesting"},
		{"dashes", strings.Repeat("- ", many), "yaml-nesting"},
		{"questions", strings.Repeat("? ", many), "yaml-nesting"},
		{"indentation", indented(below), "yaml-nesting"},
		{"many brackets", strings.Repeat("[", below), "yaml-nodes"},
		{"too many brackets", strings.Repeat("[", above), "file-too-large"},
		{"much indentation", indented(above), "file-too-large"},
	} {
		t.Run(tt.title, func(t *testing.T) {
			fsys := files("p.yaml", tt.data)
			r := Load(fsys, "")
			if len(r.Diagnostics) != 1 || r.Diagnostics[0].Code != tt.code {
				t.Errorf("got %v, want %s", r.Diagnostics, tt.code)
			}
		})
	}
}

// A member costs its place and two words beside its text, which is shared.
func TestLoadKeepsLittleOfAGroupFile(t *testing.T) {
	const n = 100_000
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "https://tenant-%06d.customers.example.com\n", i)
	}
	text := []byte(b.String())
	l := newLoader(nil, "", bounds(), memory{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g := l.readLines("g.txt", text)
	runtime.ReadMemStats(&after)
	if len(g.texts) != n {
		t.Fatalf("%d members", len(g.texts))
	}
	if mallocs := after.Mallocs - before.Mallocs; mallocs > 1000 {
		t.Errorf("%d allocations for %d lines", mallocs, n)
	}
}

func TestLoadTakesLargeGroups(t *testing.T) {
	const n = 100_000
	var exact, stars strings.Builder
	for i := range n {
		fmt.Fprintf(&exact, "https://tenant-%d.customers.example.com\n", i)
	}
	for i := range n / 10 {
		fmt.Fprintf(&stars, "https://*.t%d.example.com\nhttps://t%d.example.com\nhttps://app%d-*.example.com\n", i, i, i)
	}
	r := Load(files("p.yaml", `
originGroups: {exact: {file: exact.txt}, stars: {file: stars.txt}}
policies:
- {name: a, cors: {allowOrigins: [group:exact, group:stars, https://last.example.com], allowCredentials: true}}
- {name: b, hosts: [b.test], cors: {allowOrigins: [group:stars, https://last.example.com/]}}
`, "exact.txt", exact.String(), "stars.txt", stars.String()), "")
	if got := lines(r); !slices.Equal(got, []string{"p.yaml:5:65 origin-trailing-slash"}) {
		t.Errorf("got %q", got)
	}
}

// entryOf must find the entry of an origin among groups, some of them empty.
func TestEntryOfFindsTheEntryOfAnOrigin(t *testing.T) {
	empty, two := &group{members: &members{}}, &group{members: &members{}}
	two.add("https://a.example", top)
	two.add("https://b.example", top)
	p := &judged{source: &source{grouped: true}}
	for _, g := range []*group{empty, nil, two, empty, empty, nil, empty} {
		p.origins, p.groups = append(p.origins, originEntry{text: "x"}), append(p.groups, g)
	}
	var got []int
	for i := range p.expand().CORS.AllowOrigins {
		got = append(got, p.entryOf(i))
	}
	if want := []int{1, 2, 2, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDiagnosticsNameTheFieldAsItIsWritten(t *testing.T) {
	r := Load(files("p.yaml", `
originGroups: {g: [https://g.example, https://G.example]}
policies:
- name: a
  cors: {allowOrigins: [group:g, https://A.example]}
- name: b
  hosts: [x]
  cors: {maxAge: -1}
`), "")
	var got []string
	for _, d := range r.Diagnostics {
		got = append(got, d.Field)
	}
	want := []string{"originGroups.g[1]", "policies[0].cors.allowOrigins[1]", "policies[1].cors.allowOrigins", "policies[1].cors.maxAge"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiagnosticHasItsLevelAsAWordInJSON(t *testing.T) {
	in := Diagnostic{File: "p.yaml", Line: 1, Column: 2, Level: policy.Warning, Code: "any-host", Field: "f", Value: "v", Reason: "r", Hint: "h"}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"file":"p.yaml","line":1,"column":2,"level":"warning","code":"any-host","field":"f","value":"v","reason":"r","hint":"h"}`
	var back Diagnostic
	if err := json.Unmarshal(text, &back); err != nil || back != in || string(text) != want {
		t.Errorf("got %s, %+v, %v", text, back, err)
	}
	if got, want := in.String(), `p.yaml:1:2: warning [any-host] "v": r (h)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDiagnosticsQuoteLittle(t *testing.T) {
	long := "https://" + strings.Repeat("ü", 100_000)
	r := Load(files("p.yaml", "policies: [{name: a, cors: {allowOrigins: ['"+long+"']}}]"), "")
	if len(r.Diagnostics) != 1 || len(r.Diagnostics[0].Value) > maxValue || len(r.Diagnostics[0].String()) > 2000 {
		t.Errorf("got %d diagnostics, the first of %d bytes", len(r.Diagnostics), len(r.Diagnostics[0].String()))
	}
}

// roundTrip reports how specs differ from what their own JSON loads to.
func roundTrip(specs []policy.Spec) error {
	text, err := json.Marshal(map[string]any{"policies": specs})
	if err != nil {
		return err
	}
	r := Load(files("p.json", string(text)), "")
	if r.HasErrors() {
		return fmt.Errorf("refused: %v", r.Diagnostics)
	}
	if !reflect.DeepEqual(r.Policies.Specs(), specs) {
		return fmt.Errorf("got  %+v\nwant %+v", r.Policies.Specs(), specs)
	}
	again, problems := policy.Validate(specs)
	if problems.HasErrors() {
		return problems
	}
	if r.Policies.Hash() != again.Hash() {
		return errors.New("the hashes differ")
	}
	return nil
}

func TestAcceptedSpecsRoundTrip(t *testing.T) {
	accepted := 0
	for _, file := range goldenFiles(t) {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := Load(filesOf(archive), "")
		if r.HasErrors() {
			continue
		}
		accepted++
		if err := roundTrip(r.Policies.Specs()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if accepted < 4 {
		t.Errorf("only %d golden files are accepted", accepted)
	}
}

// Load never panics, places each diagnostic, and what it accepts compiles and
// loads again from its JSON to the same specs.
func FuzzLoad(f *testing.F) {
	matches, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range matches {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, member := range archive.Files {
			if member.Name != "want" {
				f.Add(string(member.Data), "https://a.example\n# comment")
			}
		}
	}
	f.Fuzz(func(t *testing.T, yaml, list string) {
		r := Load(files("p.yaml", yaml, "g.txt", list), "dir")
		for _, d := range r.Diagnostics {
			if d.Line < 1 || d.Column < 1 || d.File == "" || d.Code == "" || d.Reason == "" {
				t.Fatalf("incomplete: %+v", d)
			}
		}
		if !slices.IsSortedFunc(r.Diagnostics, byPlace) {
			t.Fatalf("not sorted: %v", r.Diagnostics)
		}
		if r.HasErrors() != (r.Policies == nil) {
			t.Fatalf("policies %v beside %v", r.Policies, r.Diagnostics)
		}
		if r.HasErrors() {
			return
		}
		if err := roundTrip(r.Policies.Specs()); err != nil {
			t.Fatalf("%v\nof\n%s", err, yaml)
		}
	})
}

func FuzzLoadReadsAnyGroupFile(f *testing.F) {
	f.Add("https://a.example\r\n  # x\n\nnull\n*\ngroup:x")
	f.Fuzz(func(t *testing.T, list string) {
		r := Load(files("p.yaml", "originGroups: {g: {file: g.txt}}\npolicies: [{name: a, cors: {allowOrigins: ['group:g']}}]", "g.txt", list), "")
		rows := strings.Split(strings.TrimPrefix(list, "\ufeff"), "\n")
		for _, d := range r.Diagnostics {
			if d.File != "g.txt" || d.Code == "hidden-character" || d.Code == "text-encoding" {
				continue // those have a number for a value
			}
			row := rows[d.Line-1]
			if rest := row[min(d.Column-1, len(row)):]; !strings.HasPrefix(rest, d.Value) && d.Level == policy.Error && len(d.Value) < maxValue {
				t.Fatalf("%v is not at its place in %q", d, row)
			}
		}
	})
}

func TestLocateFindsFieldsOfPoliciesThatLoad(t *testing.T) {
	r := Load(files("a.yaml", `policies:
- name: one
  paths: [/a,
    /b]
  cors:
    allowOrigins: [https://a.example,
      https://b.example]
`, "b.yaml", `policies:
- name: two
  mode: shadow
  cors: {allowOrigins: [https://a.example]}
`), "etc")
	if r.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	for _, c := range []struct {
		spec        int
		field, want string
	}{
		{0, "", "etc/a.yaml:2:3 policies[0]"},
		{0, "paths[1]", "etc/a.yaml:4:5 policies[0].paths[1]"},
		{0, "cors.allowOrigins", "etc/a.yaml:6:5 policies[0].cors.allowOrigins"},
		{0, "cors.allowOrigins[1]", "etc/a.yaml:6:5 policies[0].cors.allowOrigins"},
		{0, "cors.maxAge", "etc/a.yaml:5:3 policies[0].cors.maxAge"},
		{1, "mode", "etc/b.yaml:3:9 policies[0].mode"},
	} {
		d := r.Locate(c.spec, c.field)
		if got := fmt.Sprintf("%s:%d:%d %s", d.File, d.Line, d.Column, d.Field); got != c.want {
			t.Errorf("%d %q: %s, want %s", c.spec, c.field, got, c.want)
		}
	}
}
