//go:build unix

package access

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPrefixesAreTheFoldersOnTheWay(t *testing.T) {
	for path, want := range map[string][]string{
		"/a/b": {"/", "/a", "/a/b"}, "a/b": {".", "a", "a/b"}, "a": {".", "a"}, ".": {"."}, "/": {"/"}, "../a": {".", "..", "../a"},
	} {
		var got []string
		for at := range prefixes(path) {
			got = append(got, at)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestExplainFindsWhatIsMissing asks for somebody who owns nothing here, as far
// as the first thing that is missing.
func TestExplainFindsWhatIsMissing(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"open/inner", "closed/inner"} {
		if err := errors.Join(os.MkdirAll(name, 0o755), os.WriteFile(filepath.Join(name, "p.yaml"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chmod("closed", 0o700), os.Chmod("open/inner/p.yaml", 0o600), os.Symlink("closed", "link"), os.Symlink("link/inner/p.yaml", "file.yaml")); err != nil {
		t.Fatal(err)
	}
	nobody := user{id: 1 << 30}
	for path, want := range map[string]string{
		"open": "", "open/inner": "", "open/inner/p.yaml": `read (r) on "open/inner/p.yaml"`, "closed": `read and search (rx) on the folder "closed"`,
		"closed/inner/p.yaml": `search (x) on the folder "closed"`, "link": `read and search (rx) on the folder "closed"`, "file.yaml": `search (x) on the folder "closed"`,
	} {
		got, next, err := nobody.follow(path)
		for next != "" && err == nil {
			got, next, err = nobody.follow(next)
		}
		if err != nil || !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestExplainLeavesOtherErrorsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := Explain(nil, path); err != nil {
		t.Error(err)
	}
	for _, want := range []error{fs.ErrNotExist, fs.ErrPermission} { // for the latter, it has gone meanwhile
		if err := Explain(want, path); err.Error() != want.Error() {
			t.Error(err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Explain(fs.ErrPermission, path); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "SELinux") {
		t.Errorf("where the mode is not the reason: %v", err)
	}
}
