package envoy_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// compileFile compiles a policy file for an Envoy.
func compileFile(t *testing.T, c envoy.Config, file []byte) *notrip.Result {
	t.Helper()
	r := policyfile.Load(fstest.MapFS{"p.yaml": {Data: file}}, "")
	if r.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	res, err := c.Compile(policy.Compile(r.Policies))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// notripIn is an Envoy without a service that finds its filters in a folder.
func notripIn(folder string, shards int) envoy.Config {
	return with(func(c *envoy.Config) {
		c.Profile, c.Service, c.Compiled = envoy.NoTrip, "", envoy.Compiled{Folder: folder, Shards: shards}
	})
}

// hosts is a policy file with several hosts, each with an origin of its own.
func hosts() []byte {
	var b strings.Builder
	b.WriteString("policies:\n")
	for _, host := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		b.WriteString("- {name: " + host + ", hosts: [" + host + ".test], cors: {allowOrigins: [https://" + host + ".example]}}\n")
	}
	return []byte(b.String())
}

func TestStageFiltersReplacesOnlyWhatChanges(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "if need be")
	c := notripIn(folder, 4)
	first, err := envoy.StageFilters(folder, compileFile(t, c, hosts()))
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"corsgate-0-of-4.json", "corsgate-1-of-4.json", "corsgate-2-of-4.json", "corsgate-3-of-4.json"}
	if !slices.Equal(first.Changed, all) || len(first.Same) > 0 || len(visible(t, folder)) > 0 {
		t.Fatalf("staged: changed %q, same %q; in place %q", first.Changed, first.Same, visible(t, folder))
	}
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	before := visible(t, folder)
	second, err := envoy.StageFilters(folder, compileFile(t, c, []byte(strings.Replace(string(hosts()), "https://a.example", "https://new.example", 1))))
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Changed) != 1 || len(second.Same) != 3 {
		t.Fatalf("one origin changes %q and leaves %q", second.Changed, second.Same)
	}
	if diff := cmp.Diff(before, visible(t, folder)); diff != "" {
		t.Errorf("staged files are in place: %s", diff)
	}
	if err := second.Commit(); err != nil {
		t.Fatal(err)
	}
	for name, text := range visible(t, folder) {
		if changed := text != before[name]; changed != slices.Contains(second.Changed, name) {
			t.Errorf("%s: changed %v", name, changed)
		}
	}
}

// TestStagedFiltersAreTheirOwn has two runs at once, and links where a name could be
// guessed: neither run writes what the other one, or a link, leads to.
func TestStagedFiltersAreTheirOwn(t *testing.T) {
	folder, foreign := t.TempDir(), filepath.Join(t.TempDir(), "foreign")
	for _, name := range []string{".corsgate.json", ".corsgate.json.next", ".corsgate.json.tmp", "corsgate.json"} {
		if err := os.Symlink(foreign, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	stage := func(file string) (*envoy.Staged, string) {
		res := compileFile(t, notripIn(folder, 1), []byte(file))
		staged, err := envoy.StageFilters(folder, res)
		if err != nil {
			t.Fatal(err)
		}
		return staged, res.Resources[0].Version
	}
	one, first := stage(string(hosts()))
	two, second := stage(strings.Replace(string(hosts()), "https://a.example", "https://new.example", 1))
	for _, c := range []struct {
		staged  *envoy.Staged
		version string
	}{{two, second}, {one, first}} {
		if err := c.staged.Commit(); err != nil {
			t.Fatal(err)
		}
		if text := visible(t, folder)["corsgate.json"]; !strings.Contains(text, c.version) || !json.Valid([]byte(text)) {
			t.Errorf("the filter in place is not whole, or of another run: %.80s", text)
		}
	}
	if _, err := os.Stat(foreign); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link was followed: %v", err)
	}
	info, err := os.Lstat(filepath.Join(folder, "corsgate.json"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("Envoy may run as anybody: mode %v, %v", info.Mode(), err)
	}
}

// TestFailedFiltersLeaveNothingBeside fails at the third of four shards.
func TestFailedFiltersLeaveNothingBeside(t *testing.T) {
	folder := t.TempDir()
	blocked := filepath.Join(folder, "corsgate-2-of-4.json")
	if err := os.MkdirAll(filepath.Join(blocked, "something"), 0o755); err != nil {
		t.Fatal(err)
	}
	res := compileFile(t, notripIn(folder, 4), hosts())
	if err := envoy.WriteFilters(folder, res); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if got, want := namesIn(t, folder), []string{"corsgate-0-of-4.json", "corsgate-1-of-4.json", "corsgate-2-of-4.json"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	again, err := envoy.StageFilters(folder, res)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Commit(); err != nil || !slices.Equal(again.Changed, []string{"corsgate-2-of-4.json", "corsgate-3-of-4.json"}) {
		t.Errorf("written again, %q changed: %v", again.Changed, err)
	}

	folder = t.TempDir()
	res.Resources[2].Name = "no/file" // staging fails, and not only what follows
	if _, err := envoy.StageFilters(folder, res); err == nil || len(namesIn(t, folder)) > 0 {
		t.Errorf("staged with %v, and %q are left", err, namesIn(t, folder))
	}
}

// namesIn returns the names of a folder's files, hidden ones, too.
func namesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// visible returns the files of a folder, by name, that are not hidden.
func visible(t *testing.T, folder string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(text)
	}
	return files
}

// TestStageFiltersKeepsTheNumberOfShards has a folder that Envoy reads a filter of
// which nobody would write again.
func TestStageFiltersKeepsTheNumberOfShards(t *testing.T) {
	folder := t.TempDir()
	if err := envoy.WriteFilters(folder, compileFile(t, notripIn(folder, 1), hosts())); err != nil {
		t.Fatal(err)
	}
	_, err := envoy.StageFilters(folder, compileFile(t, notripIn(folder, 2), hosts()))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, "corsgate.json")+" is of another number of shards: keep the number") {
		t.Errorf("got %v", err)
	}
	if _, err := envoy.StageFilters(folder, compileFile(t, notripIn(folder, 1), hosts())); err != nil {
		t.Errorf("the same number: %v", err)
	}
}

func TestCompiledConfigurationSaysWhatNamesOfPoliciesDo(t *testing.T) {
	for _, c := range []struct {
		name       string
		service    string
		named      bool
		want, lack string
	}{
		{"named, with a service", "127.0.0.1:9001", true, "names a policy is asked about", "change nothing here"},
		{"named, without one", "", true, "names a policy is refused", "filter_metadata: {corsgate: {policy: NAME}}"},
		{"not named, with a service", "127.0.0.1:9001", false, "that name a policy change nothing here", "filter_metadata: {corsgate: {policy: NAME}}"},
		{"not named, without one", "", false, "that name a policy change nothing here", "is asked about"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := notripIn("/etc/envoy/corsgate", 1)
			config.Service, config.Compiled.NamedPolicies = c.service, c.named
			for _, doc := range [][]byte{must(t)(config.YAML()), must(t)(config.Filters())} {
				if !strings.Contains(string(doc), c.want) || strings.Contains(string(doc), c.lack) {
					t.Errorf("want %q and not %q in\n%s", c.want, c.lack, doc)
				}
				if hint := strings.Contains(string(doc), "id: corsgate, cluster: corsgate"); !hint {
					t.Errorf("no node in\n%s", doc)
				}
			}
		})
	}
}
