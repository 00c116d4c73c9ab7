package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/server/servertest"
)

// TestAFullDisk has an instance's state on a disk that is full, and then has room again.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	folder := smallDisk(t)
	_, publisher := startStore(t, 1)
	push(t, publisher, units(t, 1))
	i := start(t, plan{store: publisher, state: folder})
	servertest.Await(t, "the state", func() bool { return !i.Reloader.Status().StateAt.IsZero() })
	filler := filepath.Join(folder, "filler")
	fill(t, filler)
	written := i.Reloader.Status().StateAt

	last := push(t, publisher, append(units(t, 2), largeGroup()))
	i.awaitRelease(t, last.Info)
	servertest.Await(t, "a failure", func() bool { return i.metric(t, "corsgate_state_write_failures_total") > 0 })
	if now := i.Reloader.Status().StateAt; now != written {
		t.Errorf("on the full disk the state was written at %v", now)
	}
	i.isReady(t, true)
	i.exposes(t, 2)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	i.awaitRelease(t, push(t, publisher, units(t, 3)).Info)
	servertest.Await(t, "the state", func() bool { return i.Reloader.Status().StateAt.After(written) })
	i.exposes(t, 3)
}

// fill writes a file until its disk has no room.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// smallDisk mounts a disk of 1 MiB until the test ends, for which one must be root.
func smallDisk(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	err := syscall.Mount("corsgate-test", path, "tmpfs", 0, "mode=0700,size=1m")
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("mounting a small disk is for root: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return path
}
