package live_test

import (
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

func TestFolder(t *testing.T) {
	folder := live.Folder([]live.File{
		{Name: "p.yaml", Data: []byte("policies: []")},
		{Name: "groups/a/apps.txt", Data: []byte(app)},
		{Name: "groups/web.txt"},
		{Name: "../outside"},
		{Name: "/rooted"},
		{Name: "."},
	})
	if err := fstest.TestFS(folder, "p.yaml", "groups/a/apps.txt", "groups/web.txt"); err != nil {
		t.Error(err)
	}
	var names []string
	_ = fs.WalkDir(folder, ".", func(name string, _ fs.DirEntry, _ error) error {
		names = append(names, name)
		return nil
	})
	if len(names) != 6 {
		t.Errorf("it has %q, want three files in three folders", names)
	}
	if data, err := fs.ReadFile(folder, "groups/a/apps.txt"); string(data) != app || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
}

// TestAFolderWithAChosenFile is about the one policy file, beside files that are called like
// one.
func TestAFolderWithAChosenFile(t *testing.T) {
	const group = "https://app.example.com\n"
	const chosen = "originGroups:\n  apps: {file: apps.yaml}\npolicies:\n- name: api\n  cors: {allowOrigins: [group:apps]}\n"
	for _, name := range []string{"p.yaml", "p.conf", ".p.yaml"} {
		r := policyfile.Load(live.Folder([]live.File{{Name: "apps.yaml", Data: []byte(group)}, {Name: live.ChosenPrefix + name, Data: []byte(chosen)}}), "")
		if r.HasErrors() {
			t.Errorf("%s: %v", name, r.Diagnostics)
		}
	}
}

// TestALoaderCopiesNothingThatItKnowsOfAFolder loads a large file of one origin twice.
func TestALoaderCopiesNothingThatItKnowsOfAFolder(t *testing.T) {
	const size = 1 << 20
	folder := live.Folder([]live.File{{Name: "p.yaml", Data: []byte(policyFile(1) + strings.Repeat("# a comment\n", size/12))}})
	loader := &policyfile.Loader{}
	load := func() uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if r := loader.Load(folder, ""); r.HasErrors() {
			t.Fatal(r.Diagnostics)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if first, again := load(), load(); first < size || again > size/10 {
		t.Errorf("the first load allocates %d bytes, and the second %d", first, again)
	}
	if _, err := folder.(interface {
		Sum(name string) ([32]byte, error)
	}).Sum("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the sum of no file: %v", err)
	}
}
