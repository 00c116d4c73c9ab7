package state

import (
	"cmp"
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
	lost   bool         // at the start
	writer writer       // of the goroutine that writes
	pause  time.Duration

	wake     chan struct{} // something is to be written; holds one
	failures atomic.Uint64
	told     seldom.Log

	mu    sync.Mutex
	start *content      // what was there at the start; nil: nothing, or it is out of date
	place string        // of start
	want  *live.Reading // what is not written yet; nil: nothing
	loss  bool          // the store has lost what has served
	kept  time.Time
}

// Open locks a folder, which it makes if there is none, and reads what is in it. The
// error says what to do. What cannot be read is logged; log may be nil. The folder is
// unlocked by the end of Run, or by Close.
func Open(path string, log *slog.Logger) (*Dir, error) {
	log = cmp.Or(log, slog.New(slog.DiscardHandler))
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
			d.checkStart()
			return d, nil
		}
	}
	return nil, errors.Join(err, lock.Close())
}

// OpenCopy reads a folder, or a copy of one, that somebody else may use. Nothing is written
// to it, and what is returned has nothing but Read and Served.
func OpenCopy(path string) (*Dir, error) {
	d := &Dir{path: path, log: slog.New(slog.DiscardHandler)}
	if err := d.readStart(); err != nil {
		return nil, err
	}
	if d.start == nil {
		return nil, fmt.Errorf("the folder %q has no policies that an instance has kept", path)
	}
	return d, nil
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

// readStart reads the newest whole set, and what has served at last.
func (d *Dir) readStart() error {
	names, err := generations(d.path)
	if err != nil {
		return err
	}
	var newest *commit
	for i, name := range names {
		c, last, err := readGeneration(filepath.Join(d.path, name))
		if i == 0 {
			d.writer.newest = number(name)
		}
		if newest == nil && last != nil { // what is damaged cannot be served, and still says what has
			newest = last
			d.served, d.lost, d.loss, d.writer.served = last.Served, last.Lost, last.Lost, last.Served
		}
		if err != nil {
			d.log.Error("last known good policies cannot be read, the ones before are tried", "file", name, "error", err)
			continue
		}
		if c.damage != nil {
			d.log.Warn("last known good policies are not whole, a write was cut off or the file is damaged", "file", name, "error", c.damage)
		}
		d.start, d.place, d.kept = c, filepath.Join(d.path, name), c.At
		d.writer.have, d.writer.name = &content{commit: c.commit, sums: c.sums}, name
		return nil
	}
	return nil
}

// checkStart has nothing serve that is older than what has served of a store.
func (d *Dir) checkStart() {
	if d.start == nil || d.start.Release.Epoch == "" || d.start.Release == d.served {
		return
	}
	d.log.Error("the last known good policies do not serve, since they are older than what has served, which is damaged",
		"file", d.place, "revision", d.start.Release.Revision, "served", d.served.Revision)
	d.start, d.kept = nil, time.Time{}
}

// Close unlocks the folder of a Dir that is not run.
func (d *Dir) Close() error { return d.lock.Close() }

// Keep implements live.Keeper.
func (d *Dir) Keep(r live.Reading) {
	d.mu.Lock()
	d.start, d.want = nil, &r
	if r.Release.Epoch != "" {
		d.loss = false
	}
	d.mu.Unlock()
	d.wakeUp()
}

// NoteLost notes that the store has lost what has served: see Lost.
func (d *Dir) NoteLost() {
	d.mu.Lock()
	d.loss = true
	d.mu.Unlock()
	d.wakeUp()
}

func (d *Dir) wakeUp() {
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

// Lost reports whether the store had lost that release when it was last read.
func (d *Dir) Lost() bool { return d.lost }

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
	want, loss := d.want, d.loss
	d.mu.Unlock()
	stored, err := false, error(nil)
	switch have := d.writer.have; {
	case want != nil:
		stored, err = d.writer.store(want, loss)
	case have == nil || have.Lost == loss:
		return
	default:
		err = d.writer.storeLoss(loss)
	}
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
