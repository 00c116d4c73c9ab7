package disk

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestMakeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"one", "one", "a/b/c", "a/b/d/", filepath.Join(t.TempDir(), "x", "y"), "/", "."} {
		if err := MakeFolder(path, 0o755); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			t.Errorf("%s was not made: %v", path, err)
		}
	}
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"file", "file/x", "file/x/y"} {
		if err := MakeFolder(path, 0o755); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}

func TestMakeFolderAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "c", "d")
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if err := MakeFolder(path, 0o755); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
}
