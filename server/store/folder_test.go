package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

func TestFolder(t *testing.T) {
	storetest.Test(t, func(t *testing.T) (open func() store.Backend) {
		path := t.TempDir()
		return func() store.Backend { return &store.Folder{Path: path, Poll: 5 * time.Millisecond} }
	})
}

// TestAFolderCountsOnThoughTheClockGoesBack has an object of tomorrow.
func TestAFolderCountsOnThoughTheClockGoesBack(t *testing.T) {
	f := &store.Folder{Path: t.TempDir()}
	seen := map[string]bool{}
	put(t, f, "u/1", nil)
	tomorrow := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(filepath.Join(f.Path, "objects", "u", "1"), tomorrow, tomorrow); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		seen[objects(t, f)["u/1"].Version] = true
		put(t, f, "u/1", nil)
	}
	if len(seen) != 3 {
		t.Errorf("three versions are %v", seen)
	}
}

func TestMemory(t *testing.T) {
	storetest.Test(t, func(*testing.T) (open func() store.Backend) {
		m := &storetest.Memory{}
		return func() store.Backend { return m }
	})
}
