package state

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/server/live"
)

// TestAFullDisk keeps a set, one that has no room, and that one again when there is room.
func TestAFullDisk(t *testing.T) {
	path := smallDisk(t, "256k")
	filler := filepath.Join(path, "filler")
	d := open(t, path)
	d.Keep(reading(1, numbered(1)))
	d.write()
	fill(t, filler)
	for range 2 { // in the generation, and as a new one
		d.Keep(live.Reading{Files: noise(2), Release: numbered(2)})
		d.write()
	}
	if d.Failures() != 2 {
		t.Fatalf("%d writes have failed, want both", d.Failures())
	}
	must(t, d.Close())
	if hash, release := kept(t, path); hash != reading(1, numbered(1)).Policies.Hash() || release != numbered(1) {
		t.Errorf("on the full disk there is %+v, want what was kept", release)
	}
	must(t, os.Remove(filler))
	d.write()
	if got := open(t, path).start; got == nil || got.Release != numbered(2) || !bytes.Equal(got.files[0].Data, noise(2)[0].Data) {
		t.Errorf("when there is room again, there is %+v, want what was to be kept", got)
	}
}

// fill writes a file until the disk has no room.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// smallDisk mounts a disk of that size until the test ends, for which one must be root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	path := t.TempDir()
	err := syscall.Mount("corsgate-test", path, "tmpfs", 0, "mode=0700,size="+size)
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("mounting a small disk is for root: ", err)
	}
	must(t, err)
	t.Cleanup(func() { must(t, syscall.Unmount(path, syscall.MNT_DETACH)) })
	return path
}
