package file

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// TestSumIsOfWhatIsRead is about files that are not read since their content is known:
// their hash is that of the content, and they are watched as what is read is.
func TestSumIsOfWhatIsRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, "a")
	s := &Source{Path: dir}
	sn, err := s.take()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if sum, err := sn.Sum("a.yaml"); err != nil || sum != sha256.Sum256([]byte("a")) {
			t.Errorf("Sum: %x, %v", sum, err)
		}
	}
	if _, err := sn.Sum("none.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Sum of nothing: %v", err)
	}
	if now, _ := s.difference(); now != "" {
		t.Errorf("nothing changed, and this differs: %s", now)
	}
	write(t, path, "b")
	if now, _ := s.difference(); now == "" {
		t.Error("the file changed, and nothing differs")
	}
}

// TestReadAgainFindsEachChange reads again and again what changed in different ways, and
// compares with who reads it for the first time.
func TestReadAgainFindsEachChange(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) { write(t, filepath.Join(dir, name), text) }
	const named = "originGroups:\n  apps: {file: apps.txt}\npolicies:\n- name: web\n  hosts: [web.example.com]\n  cors: {allowOrigins: [group:apps]}\n"
	sources := []*Source{{Path: dir}, {Path: dir, Keep: true}}
	for _, step := range []struct {
		name   string
		change func()
		good   bool
	}{
		{"at first", func() {
			put("a.yaml", named)
			put("b.yaml", policyFile(1))
			put("apps.txt", "https://app.example.com\n")
		}, true},
		{"nothing", func() {}, true},
		{"a policy file", func() { put("b.yaml", policyFile(2)) }, true},
		{"a group file", func() { put("apps.txt", "https://intranet\n") }, true},
		{"a mistake", func() { put("apps.txt", "https://app.example.com/\n") }, false},
		{"the same as before it", func() { put("apps.txt", "https://intranet\n") }, true},
	} {
		step.change()
		for _, s := range sources {
			got, err := s.Read(t.Context())
			want, _ := (&Source{Path: dir}).Read(t.Context())
			if err != nil || got.HasErrors() == step.good || hashOf(got.Policies) != hashOf(want.Policies) || !slices.Equal(got.Diagnostics, want.Diagnostics) {
				t.Errorf("%s, Keep %v: %v, %v, want %v", step.name, s.Keep, got.Diagnostics, err, want.Diagnostics)
			}
			if s.Keep != (len(got.Files) == 3) {
				t.Errorf("%s, Keep %v: %d files", step.name, s.Keep, len(got.Files))
			}
			for _, f := range got.Files {
				if text, err := os.ReadFile(filepath.Join(dir, f.Name)); err != nil || string(text) != string(f.Data) {
					t.Errorf("%s: %s is kept as %q, and has %q, %v", step.name, f.Name, f.Data, text, err)
				}
			}
		}
	}
}

func hashOf(v *policy.Valid) string {
	if v == nil {
		return ""
	}
	return v.Hash()
}
