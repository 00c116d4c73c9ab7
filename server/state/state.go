package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/disk"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/seldom"
)

const (
	// retryPause is how long after a failed write it is tried again.
	retryPause = 30 * time.Second
	// lastPatience is how long the end waits for the last write.
	lastPatience = 5 * time.Second
)

// Dir is a state folder. It implements live.Keeper, and is safe for concurrent use.
type Dir struct {
	path string
	log  *slog.Logger
	lock *os.File

	served live.Release // at the start
	writer writer       // of the goroutine that writes
	pause  time.Duration

	wake     chan struct{} // something is to be written; holds one
	failures atomic.Uint64
	told     seldom.Log

	mu    sync.Mutex
	start *content      // what was there at the start; nil: nothing, or it is out of date
	place string        // of start
	want  *live.Reading // what is not written yet; nil: nothing
	kept  time.Time
}

// Open locks a folder, which it makes if there is none, and reads what is in it. The
// error says what to do. What cannot be read is logged; log may be nil. The folder is
// unlocked by the end of Run, or by Close.
func Open(path string, log *slog.Logger) (*Dir, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := disk.MakeFolder(path, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&0o002 != 0 && ownersCount {
		return nil, fmt.Errorf("everybody may write to %q, and so decide what is allowed after the next start: chmod o-w, or name a folder in it that does not exist yet", path)
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock the folder %q: %w", path, err)
	}
	packer, err := newPacker()
	if err == nil {
		d := &Dir{
			path: path, log: log, lock: lock, pause: retryPause, wake: make(chan struct{}, 1),
			writer: writer{dir: path, packer: packer},
		}
		if err = d.readStart(); err == nil {
			return d, nil
		}
	}
	return nil, errors.Join(err, lock.Close())
}

// ownersCount says that the mode of a folder tells who may write to it.
const ownersCount = runtime.GOOS != "windows"

var errInUse = errors.New("another corsgate uses it: stop that one, or give each a --state-dir of its own")

// lockFile locks a file until it is closed, or the process ends. A system that has no
// locks goes without.
func lockFile(path string) (*os.File, error) {
	f, err := disk.TryLock(path)
	switch {
	case errors.Is(err, disk.ErrNoLocks):
		return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	case f == nil && err == nil:
		return nil, errInUse
	}
	return f, err
}

// readStart reads the newest generation that can be read.
func (d *Dir) readStart() error {
	names, err := generations(d.path)
	if err != nil {
		return err
	}
	for i, name := range names {
		if i == 0 {
			d.writer.newest = number(name)
		}
		c, err := readGeneration(filepath.Join(d.path, name))
		if err != nil {
			d.log.Error("last known good policies cannot be read, the ones before are tried", "file", name, "error", err)
			continue
		}
		if c.rest != nil {
			d.log.Warn("the end of the last known good policies cannot be read, a write was cut off or the file is damaged", "file", name, "error", c.rest)
		}
		d.start, d.place, d.kept, d.served = c, filepath.Join(d.path, name), c.At, c.Served
		d.writer.have, d.writer.name = &content{commit: c.commit, sums: c.sums}, name
		return nil
	}
	return nil
}

// Close unlocks the folder of a Dir that is not run.
func (d *Dir) Close() error { return d.lock.Close() }

// Keep implements live.Keeper.
func (d *Dir) Keep(r live.Reading) {
	d.mu.Lock()
	d.start, d.want = nil, &r
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Read implements live.Keeper.
func (d *Dir) Read(ctx context.Context) (live.Reading, error) {
	d.mu.Lock()
	c, place := d.start, d.place
	d.mu.Unlock()
	if c == nil {
		return live.Reading{}, fmt.Errorf("the state folder has no policies: %w", fs.ErrNotExist)
	}
	res, err := new(policyfile.Loader).LoadContext(ctx, live.Folder(c.files), place)
	return live.Reading{Result: res, Files: c.files, Release: c.Release}, err
}

// Kept implements live.Keeper.
func (d *Dir) Kept() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept
}

// Served returns the last release of a store that had served at the start; it is zero if
// none had.
func (d *Dir) Served() live.Release { return d.served }

// Failures returns how many writes have failed.
func (d *Dir) Failures() uint64 { return d.failures.Load() }

// Run writes what is kept until ctx ends, and then the last of it, unless the disk takes
// too long. It may be called once.
func (d *Dir) Run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.follow(ctx)
	}()
	<-ctx.Done()
	select {
	case <-ended:
		return d.Close()
	case <-time.After(lastPatience):
		d.log.Error("the last known good policies may not be written: the disk does not answer", "folder", d.path)
		return nil // the end of the process unlocks the folder
	}
}

// follow writes each set, and again what could not be written.
func (d *Dir) follow(ctx context.Context) {
	retry := time.NewTimer(d.pause)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			d.write()
			_ = d.writer.close() // it is synchronised
			return
		case <-d.wake:
		case <-retry.C:
		}
		d.write()
		retry.Reset(d.pause)
	}
}

// write writes what is wanted last.
func (d *Dir) write() {
	d.mu.Lock()
	want := d.want
	d.mu.Unlock()
	if want == nil {
		return
	}
	stored, err := d.writer.store(want)
	if err != nil {
		d.failures.Add(1)
		d.told.Tell(d.log.Error, "the last known good policies are not written, which is tried again; they serve all the same", "folder", d.path, "error", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.want == want {
		d.want = nil
	}
	if stored {
		d.kept = d.writer.have.At
	}
}
