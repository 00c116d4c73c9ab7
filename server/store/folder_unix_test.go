//go:build unix && !solaris && !aix

package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/server/store"
)

// TestAFolderReadsRegularFilesAlone has a pipe that nobody writes to, and files without
// an end.
func TestAFolderReadsRegularFilesAlone(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"a pipe":            func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a device":          func(path string) error { return os.Symlink("/dev/zero", path) },
		"a file that holds": func(path string) error { return os.WriteFile(path, make([]byte, store.MaxObject+1), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			f := &store.Folder{Path: t.TempDir()}
			push(t, f, policies(t, 1), store.Meta{})
			target := filepath.Join(f.Path, "objects", "w", "target")
			if err := os.Remove(target); err != nil {
				t.Fatal(err)
			}
			if err := damage(target); err != nil {
				t.Fatal(err)
			}
			_, err := store.Current(t.Context(), f)
			if err == nil || !strings.Contains(err.Error(), "not a regular file: delete it") && codeOf(err) != store.CodeTooLarge {
				t.Errorf("Current: %v", err)
			}
		})
	}
}

// TestOthersMayReadAFolder holds it to modes, and to what a killed writer has left.
func TestOthersMayReadAFolder(t *testing.T) {
	f := &store.Folder{Path: t.TempDir()}
	push(t, f, policies(t, 1), store.Meta{})
	left := filepath.Join(f.Path, "new", "123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	push(t, f, policies(t, 2), store.Meta{})
	if _, err := os.Stat(left); err == nil {
		t.Error("what was not written to the end is still there")
	}
	err := filepath.WalkDir(filepath.Join(f.Path, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o644 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
