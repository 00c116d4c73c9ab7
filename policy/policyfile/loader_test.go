package policyfile

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unsafe"

	"github.com/corsgate/corsgate/policy"
)

// folder is a folder of policies that changes at random. Its few names, hosts, origins
// and files meet often, and some of what it has is a mistake.
type folder struct {
	*rand.Rand
	files map[string]*written // policy files
	lists map[string]string   // group files
}

// written is what a policy file has.
type written struct {
	groups, policies []string // a line each
	first            bool     // the groups stand before the policies
	rest             string   // what is wrong with the file, or nothing
}

var (
	fileNames = []string{"a.yaml", "b.yaml", "c.json", "d.yml"}
	listNames = []string{"one.txt", "two.txt", "in/three.txt"}
)

func (f *folder) one(of ...string) string { return of[f.IntN(len(of))] }

// some returns a list of some of these.
func (f *folder) some(of ...string) string {
	var list []string
	for range f.IntN(4) {
		list = append(list, f.one(of...))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// seldom returns one of these, or most often what is fine.
func (f *folder) seldom(fine string, of ...string) string {
	if f.IntN(8) > 0 {
		return fine
	}
	return f.one(of...)
}

func (f *folder) origins() string {
	return f.some("https://a.test", "https://b.test", "'https://*.c.test'", "https://d.test:8443", "group:g", "group:h", "group:g",
		f.seldom("https://e.test", "https://a.test/", "HTTPS://a.test", "'https://*.github.io'", "group:none", "https://intranet"))
}

func (f *folder) policy() string {
	text := fmt.Sprintf("- {name: %s, cors: {allowOrigins: %s, allowCredentials: %v, maxAge: %d}", f.one("p", "q", "r", "s", "t", "u", "v", "w", f.seldom("x", "P")),
		f.origins(), f.IntN(2) == 0, f.IntN(3))
	if f.IntN(6) > 0 {
		text += ", hosts: [" + f.one("p.test", "q.test", "r.test", "s.test", "'*.p.test'", "x.p.test") + f.one("", "", ", y.p.test", ", '*.p.test'") + "]"
	}
	if f.IntN(2) == 0 {
		text += ", paths: [" + f.one("/v1", "/v2", "/v1/x", "/v2%2fx") + f.one("", "", ", /v1") + "]"
	}
	return text + f.one("", "", ", mode: shadow", ", debug: true") + f.seldom("", ", unknown: 1", ", paths: 1") + "}"
}

func (f *folder) group() string {
	return fmt.Sprintf("  %s: %s", f.one("g", "h", f.seldom("i", "G")), f.one(f.some("https://a.test", "https://g.test", f.seldom("https://h.test", "https://h.test/", "group:g", "1")),
		"{file: "+f.one(listNames...)+"}", "{file: one.txt}", f.seldom("{file: two.txt}", "{file: ../up.txt}", "{file: none.txt}")))
}

func (f *folder) list() string {
	var b strings.Builder
	for range f.IntN(4) {
		b.WriteString(f.one("https://a.test", "https://l.test", "'https://*.m.test'"[1:17], "# a comment", f.seldom("https://n.test", "https://n.test/", "group:g", "https://\u200bn.test")) + "\n")
	}
	return f.seldom(b.String(), b.String()+"https://cut.test")
}

// change changes one thing.
func (f *folder) change() {
	w := f.files[f.one(slices.Sorted(maps.Keys(f.files))...)]
	switch n := f.IntN(20); {
	case n == 0:
		f.files[f.one(fileNames...)] = &written{first: f.IntN(2) == 0, policies: []string{f.policy()}}
	case n == 1 && len(f.files) > 1:
		delete(f.files, f.one(slices.Sorted(maps.Keys(f.files))...))
	case n == 2: // a file gets another name
		old := f.one(slices.Sorted(maps.Keys(f.files))...)
		moved := f.files[old]
		delete(f.files, old)
		f.files[f.one(fileNames...)] = moved
	case n == 3:
		w.rest = f.one("", "policies: [", "unknown: 1\n", "# \u202e\n", "# fine\n")
	case n < 6:
		f.lists[f.one(listNames...)] = f.list()
	case n == 6:
		delete(f.lists, f.one(listNames...))
	case n < 9:
		w.groups = f.changed(w.groups, 2, f.group)
	case n < 11: // a policy moves to another file
		to := f.files[f.one(slices.Sorted(maps.Keys(f.files))...)]
		if len(w.policies) > 0 {
			p := w.policies[0]
			w.policies = w.policies[1:]
			to.policies = append(to.policies, p)
		}
	default:
		w.policies = f.changed(w.policies, 4, f.policy)
	}
}

// changed returns list with an entry that is new, another one or gone.
func (f *folder) changed(list []string, most int, entry func() string) []string {
	list = slices.Clone(list)
	if len(list) == 0 || len(list) < most && f.IntN(2) == 0 {
		return slices.Insert(list, f.IntN(len(list)+1), entry())
	}
	i := f.IntN(len(list))
	if f.IntN(2) == 0 {
		return slices.Delete(list, i, i+1)
	}
	list[i] = entry()
	return list
}

func (w *written) String() string {
	groups, policies := "", ""
	if len(w.groups) > 0 {
		groups = "originGroups:\n" + strings.Join(w.groups, "\n") + "\n"
	}
	if len(w.policies) > 0 {
		policies = "policies:\n" + strings.Join(w.policies, "\n") + "\n"
	}
	if w.first {
		return groups + policies + w.rest
	}
	return policies + groups + w.rest
}

// clone returns the folder as it is, to be changed by the same chance.
func (f *folder) clone() *folder {
	c := &folder{Rand: f.Rand, files: map[string]*written{}, lists: maps.Clone(f.lists)}
	for name, w := range f.files {
		next := *w
		next.groups, next.policies = slices.Clone(w.groups), slices.Clone(w.policies)
		c.files[name] = &next
	}
	return c
}

// system returns the folder as a file system.
func (f *folder) system() fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, w := range f.files {
		fsys[name] = &fstest.MapFile{Data: []byte(w.String())}
	}
	for name, text := range f.lists {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

// summed is a file system that knows the hashes of its files.
type summed struct {
	fstest.MapFS
	read map[string]int // :: file -> how often
}

func (s summed) Sum(name string) ([sha256.Size]byte, error) {
	if s.MapFS[name] == nil {
		return [sha256.Size]byte{}, fs.ErrNotExist
	}
	return sha256.Sum256(s.MapFS[name].Data), nil
}

func (s summed) ReadFile(name string) ([]byte, error) {
	s.read[name]++
	return s.MapFS.ReadFile(name)
}

// ending is a context that ends when it was asked so often whether it has.
type ending struct {
	context.Context
	asked int
}

func (e *ending) Err() error {
	if e.asked--; e.asked < 0 {
		return context.Canceled
	}
	return nil
}

// loadWithin loads within other bounds.
func loadWithin(l *Loader, fsys fs.FS, place string, lim limits) Result {
	r, _ := l.load(never, fsys, place, lim)
	return r
}

// TestALoaderIsAsIfItRememberedNothing lives through random changes of a folder, and
// loads that are cut off. Each whole load must find, say and locate what a fresh one does,
// and what is compiled after it, step by step, must decide alike.
func TestALoaderIsAsIfItRememberedNothing(t *testing.T) {
	seeds := uint64(40)
	if os.Getenv("CORSGATE_TEST") == "full" {
		seeds = 1000
	}
	good, bad, warned, capped, cut := 0, 0, 0, 0, 0
	for seed := range seeds {
		f := &folder{Rand: rand.New(rand.NewPCG(seed, 1)), files: map[string]*written{"a.yaml": {}}, lists: map[string]string{}}
		lim := bounds()
		if seed%4 == 0 {
			lim.findings = 3
		}
		loader := &Loader{}
		var prev *policy.Set
		last := f.clone() // that was good
		for step := range 60 {
			if f.change(); f.IntN(4) == 0 {
				f = last.clone()
				f.change()
			}
			var fsys fs.FS = f.system()
			if seed%2 == 0 {
				fsys = summed{f.system(), map[string]int{}}
			}
			want := loadWithin(new(Loader), fsys, "dir", lim)
			if f.IntN(2) == 0 {
				r, err := loader.load((&ending{t.Context(), f.IntN(8)}).Err, fsys, "dir", lim)
				if err == nil && differs(r, want) != "" || err != nil && (!errors.Is(err, context.Canceled) || r.Policies != nil || r.Diagnostics != nil) {
					t.Fatalf("seed %d, step %d: a load that may be cut off returns %+v, %v", seed, step, r, err)
				}
				if err != nil {
					cut++
				}
			}
			got := loadWithin(loader, fsys, "dir", lim)
			if difference := differs(got, want); difference != "" {
				t.Fatalf("seed %d, step %d: %s\n%v", seed, step, difference, f.text())
			}
			if slices.ContainsFunc(got.Diagnostics, func(d Diagnostic) bool { return d.Code == "diagnostics-limit" }) {
				capped++
			}
			if got.Policies == nil {
				bad++
				continue
			}
			good++
			last = f.clone()
			if len(got.Diagnostics) > 0 {
				warned++
			}
			prev = policy.CompileAfter(prev, got.Policies)
			if decided(prev) != decided(policy.Compile(want.Policies)) {
				t.Fatalf("seed %d, step %d: it decides otherwise\n%v", seed, step, f.text())
			}
		}
	}
	t.Logf("%d good ones, %d of them with warnings, %d refused, %d with a limit, %d cut off", good, warned, bad, capped, cut)
	if good < int(seeds)*5 || bad < good/2 || warned < good/4 || capped < int(seeds)/4 || cut < good/2 {
		t.Error("too little was tried")
	}
}

// differs says how two results differ.
func differs(got, want Result) string {
	if !reflect.DeepEqual(got.Diagnostics, want.Diagnostics) {
		return fmt.Sprintf("the diagnostics are\n%v\nwant\n%v", got.Diagnostics, want.Diagnostics)
	}
	if (got.Policies == nil) != (want.Policies == nil) {
		return fmt.Sprintf("the policies are %v, want %v", got.Policies, want.Policies)
	}
	if got.Policies == nil {
		return ""
	}
	if got.Policies.Hash() != want.Policies.Hash() || !reflect.DeepEqual(got.Policies.Specs(), want.Policies.Specs()) {
		return fmt.Sprintf("the specs are\n%+v\nwant\n%+v", got.Policies.Specs(), want.Policies.Specs())
	}
	for i := range got.Policies.Specs() {
		for _, field := range []string{"", "name", "hosts[1]", "paths", "cors.allowOrigins[1]", "cors.maxAge"} {
			if g, w := got.Locate(i, field), want.Locate(i, field); g != w {
				return fmt.Sprintf("%s of policy %d stands at %v, want %v", field, i, g, w)
			}
		}
	}
	return ""
}

// decided returns what set decides about some requests.
func decided(set *policy.Set) string {
	var b strings.Builder
	for _, host := range []string{"p.test", "x.p.test", "q.test", "r.test", "none.test"} {
		for _, path := range []string{"/", "/v1/x", "/v2/x", "/v2%2fx"} {
			for _, origin := range []string{"https://a.test", "https://g.test", "https://x.c.test", "https://l.test"} {
				d := set.Decide(&policy.Request{Method: "GET", Authority: host, Path: path, Origin: origin})
				fmt.Fprintln(&b, d.Policy, d.Reason, d.Answer.Apply, d.Answer.Headers, d.Origin, d.Shadow.Policy, d.Shadow.Reason, d.ShadowDiffers)
			}
		}
	}
	return b.String()
}

// text shows the folder.
func (f *folder) text() string {
	var b strings.Builder
	fsys := f.system()
	for _, name := range slices.Sorted(maps.Keys(fsys)) {
		fmt.Fprintf(&b, "-- %s --\n%s", name, fsys[name].Data)
	}
	return b.String()
}

// TestALoadThatIsCutOffReadsNoFurther has a context end with the first file.
func TestALoadThatIsCutOffReadsNoFurther(t *testing.T) {
	const policies = "originGroups: {%s: {file: %[1]s.txt}}\npolicies: [{name: %[1]s, hosts: [%[1]s.test], cors: {allowOrigins: ['group:%[1]s']}}]\n"
	now := fstest.MapFS{}
	for _, name := range []string{"a", "b"} {
		now[name+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, policies, name)}
		now[name+".txt"] = &fstest.MapFile{Data: []byte("https://" + name + ".test\n")}
	}
	for asked, want := range [][]string{nil, {"a.yaml"}, {"a.txt", "a.yaml"}, {"a.txt", "a.yaml", "b.yaml"}, {"a.txt", "a.yaml", "b.txt", "b.yaml"}} {
		fsys := summed{now, map[string]int{}}
		r, err := new(Loader).LoadContext(&ending{t.Context(), asked}, fsys, "")
		if !errors.Is(err, context.Canceled) || r.Policies != nil || len(r.Diagnostics) > 0 {
			t.Errorf("a load that ends after %d files returns %+v, %v", asked, r, err)
		}
		if read := slices.Sorted(maps.Keys(fsys.read)); !slices.Equal(read, want) {
			t.Errorf("a load that ends after %d files has read %q, want %q", asked, read, want)
		}
	}
}

// TestALoaderReadsAndParsesWhatChanged counts what is read, and asks for the policies that
// are known by their memory.
func TestALoaderReadsAndParsesWhatChanged(t *testing.T) {
	text := func(name string, age int) string {
		return fmt.Sprintf("originGroups: {%s: {file: %[1]s.txt}}\npolicies: [{name: %[1]s, hosts: [%[1]s.test], cors: {allowOrigins: ['group:%[1]s'], maxAge: %d}}]\n", name, age)
	}
	now := fstest.MapFS{}
	put := func(name, text string) { now[name] = &fstest.MapFile{Data: []byte(text)} }
	for _, name := range []string{"a", "b"} {
		put(name+".yaml", text(name, 1))
		put(name+".txt", "https://"+name+".test\n")
	}
	loader := &Loader{}
	var before Result
	for _, step := range []struct {
		name   string
		change func()
		read   []string // files
		stay   []string // policies
	}{
		{"at first all is new", func() {}, []string{"a.txt", "a.yaml", "b.txt", "b.yaml"}, nil},
		{"nothing changed", func() {}, nil, []string{"a", "b"}},
		{"a policy file", func() { put("a.yaml", text("a", 2)) }, []string{"a.yaml"}, []string{"b"}},
		{"a group file", func() { put("b.txt", "https://c.test\n") }, []string{"b.txt"}, []string{"a"}},
		{"a mistake", func() { put("a.yaml", "policies: 1\n") }, []string{"a.yaml"}, nil},
		{"a mistake that stays", func() { put("b.yaml", text("b", 3)) }, []string{"a.yaml", "b.yaml"}, nil},
		{"a mistake in a group file", func() { put("b.yaml", text("b", 1)); put("b.txt", "https://b.test/\n") }, []string{"a.yaml", "b.txt"}, nil},
		{"the last good ones are back", func() { put("a.yaml", text("a", 2)); put("b.txt", "https://c.test\n") }, nil, []string{"a", "b"}},
		{"a file is gone", func() { delete(now, "a.yaml"); delete(now, "a.txt") }, nil, []string{"b"}},
		{"what was gone is forgotten", func() { put("a.yaml", text("a", 2)); put("a.txt", "https://a.test\n") }, []string{"a.txt", "a.yaml"}, []string{"b"}},
	} {
		step.change()
		fsys := summed{now, map[string]int{}}
		r := loader.Load(fsys, "")
		if read := slices.Sorted(maps.Keys(fsys.read)); !slices.Equal(read, step.read) {
			t.Errorf("%s: %q were read, want %q", step.name, read, step.read)
		}
		var stay []string
		for _, s := range r.specs() {
			for _, old := range before.specs() {
				if s.Name == old.Name && &s.CORS.AllowOrigins[0] == &old.CORS.AllowOrigins[0] {
					stay = append(stay, s.Name)
				}
			}
		}
		if !slices.Equal(stay, step.stay) {
			t.Errorf("%s: %q were not judged again, want %q", step.name, stay, step.stay)
		}
		if r.Policies != nil {
			before = r
		}
	}
}

func (r Result) specs() []policy.Spec {
	if r.Policies == nil {
		return nil
	}
	return r.Policies.Specs()
}

// A text that stays would keep the memory of another version of its whole file, as long as
// the policy is not compiled again.
func TestALoaderHasTheTextOfAGroupOnce(t *testing.T) {
	fsys := files("a.yaml", "originGroups: {g: {file: g.txt}}\npolicies: [{name: a, cors: {allowOrigins: ['group:g']}}]\n", "g.txt", "https://a.test\n")
	loader := &Loader{}
	text := func() *byte { return unsafe.StringData(loader.Load(fsys, "").Policies.Specs()[0].CORS.AllowOrigins[0]) }
	before := text()
	fsys["g.txt"].Data = []byte("# a comment\nhttps://a.test\n")
	if text() != before {
		t.Error("the origin has another text for a comment above it")
	}
}

// What is remembered has the names of files as they were shown.
func TestALoaderShowsTheFilesOfEachPlace(t *testing.T) {
	fsys := files("a.yaml", "policies: [{name: a, cors: {allowOrigins: ['https://intranet']}}]\n")
	loader := &Loader{}
	for _, place := range []string{"", "here", "there", "here"} {
		if difference := differs(loader.Load(fsys, place), Load(fsys, place)); difference != "" {
			t.Errorf("in %q: %s", place, difference)
		}
	}
}

// A policy that comes after too many mistakes is not looked at, so that nobody knows how
// many there are. That is forgotten with them.
func TestALoaderForgetsWhatItLeftOut(t *testing.T) {
	fsys := files("a.yaml", "policies: []", "b.yaml", "policies: [{name: b, cors: {allowOrigins: ['https://b.test']}}]\n")
	loader := &Loader{}
	for _, mistakes := range []int{0, 3 * MaxDiagnostics, 0} {
		fsys["a.yaml"].Data = []byte("policies: []\n" + manyOf("f%d: 1\n", mistakes))
		r := loader.Load(fsys, "")
		if (r.Policies == nil) != (mistakes > 0) {
			t.Fatalf("%d mistakes: %v", mistakes, r.Diagnostics)
		}
		if n := len(r.Diagnostics); n > 0 && !strings.HasPrefix(r.Diagnostics[n-1].Reason, "at least 2000 more") {
			t.Errorf("the last is %v", r.Diagnostics[n-1])
		}
	}
}
