package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// replace puts content at path by a rename, as careful editors do.
func replace(t testing.TB, path, content string) {
	t.Helper()
	write(t, path+".new", content)
	rename(t, path+".new", path)
}

func rename(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// configMap writes the version of a ConfigMap and makes it the one that is
// seen, in the steps of a kubelet: ..data is swapped by a rename, and the old
// version deleted.
func configMap(t testing.TB, dir, version string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		write(t, filepath.Join(dir, version, filepath.FromSlash(name)), content)
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	symlink(t, version, filepath.Join(dir, "..data_tmp"))
	rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		if _, err := os.Lstat(filepath.Join(dir, top)); err != nil {
			symlink(t, filepath.Join("..data", top), filepath.Join(dir, top))
		}
	}
	if old != "" {
		remove(t, filepath.Join(dir, old))
	}
}

func snapshotOf(t testing.TB, s *Source) *snapshot {
	t.Helper()
	sn, err := s.take()
	if err != nil {
		t.Fatal(err)
	}
	return sn
}

func names(t testing.TB, fsys fs.FS) string {
	t.Helper()
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func content(t testing.TB, fsys fs.FS, name string) string {
	t.Helper()
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSnapshotOfAFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "a")
	write(t, filepath.Join(dir, "b.yaml"), "b")
	write(t, filepath.Join(dir, ".hidden.yaml"), "h")
	write(t, filepath.Join(dir, "groups", "g.txt"), "g")
	symlink(t, "a.yaml", filepath.Join(dir, "link.yaml"))
	fsys, place, err := (&Source{Path: dir}).Snapshot()
	if err != nil || place != dir {
		t.Fatalf("place %q, %v, want %q", place, err, dir)
	}
	if got := names(t, fsys); got != "a.yaml b.yaml groups link.yaml" {
		t.Errorf("listed: %s", got)
	}
	if err := fstest.TestFS(fsys, "a.yaml", "b.yaml", "groups/g.txt", "link.yaml"); err != nil {
		t.Error(err)
	}
}

func TestSnapshotOfAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "a")
	write(t, filepath.Join(dir, "b.yaml"), "b")
	write(t, filepath.Join(dir, "groups", "g.txt"), "g")
	fsys, place, err := (&Source{Path: filepath.Join(dir, "a.yaml")}).Snapshot()
	if err != nil || place != dir {
		t.Fatalf("place %q, %v, want %q", place, err, dir)
	}
	if got := names(t, fsys); got != "a.yaml" {
		t.Errorf("listed: %s", got)
	}
	if got := content(t, fsys, "groups/g.txt"); got != "g" {
		t.Errorf("group file: %q", got)
	}
}

func TestSnapshotRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "a")
	symlink(t, "nowhere", filepath.Join(dir, "broken.yaml"))
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("what is not there", func(t *testing.T) {
		_, _, err := (&Source{Path: filepath.Join(dir, "none")}).Snapshot()
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "give a file") {
			t.Errorf("Snapshot: %v", err)
		}
	})
	t.Run("a pipe, which would never end", func(t *testing.T) {
		if _, _, err := (&Source{Path: filepath.Join(dir, "pipe.yaml")}).Snapshot(); err == nil {
			t.Error("Snapshot took it")
		}
	})
	fsys := snapshotOf(t, &Source{Path: dir})
	if got := names(t, fsys); got != "a.yaml broken.yaml pipe.yaml" {
		t.Errorf("listed: %s", got)
	}
	for _, name := range []string{"broken.yaml", "pipe.yaml", "none.yaml", "../a.yaml", "/a.yaml", "groups/none.txt"} {
		t.Run("to open "+name, func(t *testing.T) {
			_, err := fs.ReadFile(fsys, name)
			if pe, ok := errors.AsType[*fs.PathError](err); !ok || pe.Path != name || strings.Contains(err.Error(), dir) {
				t.Errorf("ReadFile: %v, want a PathError of the name alone", err)
			}
			if f, err := fsys.Open(name); err == nil {
				f.Close()
				t.Error("Open took it")
			}
		})
	}
}

func TestSnapshotIsOneVersionOfAConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(v string) map[string]string {
		return map[string]string{"p.yaml": "policies " + v, "groups/g.txt": "group " + v}
	}
	configMap(t, dir, "..v1", version("1"))
	for _, path := range []string{dir, filepath.Join(dir, "p.yaml")} {
		s := &Source{Path: path}
		fsys := snapshotOf(t, s)
		if got := content(t, fsys, "p.yaml"); got != "policies 1" {
			t.Errorf("first file: %q", got)
		}
		// The next version is there, and the old one not yet gone.
		for name, text := range version("2") {
			write(t, filepath.Join(dir, "..v2", filepath.FromSlash(name)), text)
		}
		symlink(t, "..v2", filepath.Join(dir, "..data_tmp"))
		rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
		if got := content(t, fsys, "groups/g.txt"); got != "group 1" {
			t.Errorf("second file, after the swap: %q", got)
		}
		if fsys.unchanged(t.Context()) {
			t.Error("the swap is not a change")
		}
		configMap(t, dir, "..v1", version("1"))
	}
}

func TestSnapshotIsUnchangedByWhatWasNotRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p.yaml"), "p")
	s := &Source{Path: dir}
	fsys := snapshotOf(t, s)
	names(t, fsys)
	content(t, fsys, "p.yaml")
	write(t, filepath.Join(dir, ".p.yaml.swp"), "an editor's")
	write(t, filepath.Join(dir, "other", "g.txt"), "g")
	if fsys.unchanged(t.Context()) {
		t.Error("a new entry is not a change")
	}
	fsys = snapshotOf(t, s)
	names(t, fsys)
	content(t, fsys, "p.yaml")
	write(t, filepath.Join(dir, "p.yaml"), "p")
	if !fsys.unchanged(t.Context()) {
		t.Error("the same content is a change")
	}
}

// young gives a file the age, by the clock of a bubble of synctest.
func young(t *testing.T, path string, age time.Duration) {
	t.Helper()
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotIsChangedByAWriterThatGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, "half")
		young(t, path, 0)
		fsys := snapshotOf(t, &Source{Path: path})
		content(t, fsys, "a.yaml")
		go func() {
			time.Sleep(maxYoung / 3)
			write(t, path, "half and half")
		}()
		if fsys.unchanged(t.Context()) {
			t.Error("a half-written file is unchanged")
		}
	})
}

func TestSnapshotWaitsForYoungFilesOnly(t *testing.T) {
	for _, c := range []struct {
		name      string
		age, want time.Duration
	}{
		{"a file of just now", 0, maxYoung},
		{"a file of a moment ago", maxYoung / 5, maxYoung - maxYoung/5},
		{"a file of a while ago", time.Second, 0},
		{"a file of the future", -time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.yaml")
			synctest.Test(t, func(t *testing.T) {
				replace(t, path, "a")
				young(t, path, c.age)
				fsys := snapshotOf(t, &Source{Path: path})
				content(t, fsys, "a.yaml")
				start := time.Now()
				if !fsys.unchanged(t.Context()) {
					t.Error("changed")
				}
				if took := time.Since(start); took != c.want {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}

func TestSnapshotWaitsNoLongerThanItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, "a")
		young(t, path, 0)
		fsys := snapshotOf(t, &Source{Path: path})
		content(t, fsys, "a.yaml")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		fsys.unchanged(ctx)
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestSnapshotNamesTheFileThatWasChosen(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "c.conf"), "c")
	for path, want := range map[string]string{dir: "", filepath.Join(dir, "c.conf"): "c.conf"} {
		fsys := snapshotOf(t, &Source{Path: path})
		if got := fsys.PolicyFile(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
