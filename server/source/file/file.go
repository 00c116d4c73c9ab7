// Package file takes policies from a file, or from a folder of them, and
// notices every way in which those change: saved in place, replaced by a
// rename, swapped by a symbolic link as Kubernetes does with a ConfigMap,
// deleted and back.
//
// Notices of the operating system come first. Bind mounts of desktop container
// engines and network file systems give none, so that the content is compared
// every few seconds besides.
//
// A file that is written in place is seen while it is written. It is told only
// when its content stayed the same for a while, longer if it ends in the
// middle of a line; a writer that pauses for longer than that cannot be told
// from one that has finished. A file that is written beside the old one and
// renamed over it is whole at any time.
//
// Files that change while they are read are read again, and refused if that has
// no end. If they were never read whole, there is nothing to go on with: then that
// takes some seconds.
package file

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// The defaults of Source's fields.
const (
	DefaultPoll   = 5 * time.Second
	DefaultSettle = 100 * time.Millisecond
)

// Source is a file or a folder. It satisfies live.Source and is safe for
// concurrent use; its fields are not to be changed after the first call.
type Source struct {
	// Path is a policy file, or a folder with policy files at its root;
	// required. What it names besides, such as group files, is found beside it.
	Path string
	// Poll is how often the content is compared; 0 means DefaultPoll.
	Poll time.Duration
	// Settle is how long there must be no notice, so that a burst of writes is
	// one change, and then how long the content must stay the same before it is
	// told; 0 means DefaultSettle. If a file ends in the middle of a line it
	// must stay so for ten times of it. Content that never stays is never told.
	Settle time.Duration
	// Keep has readings carry the files that they were judged from. live.Folder of
	// these is judged as they were.
	Keep bool
	// Logger gets why there are no notices; nil means nobody does.
	Logger *slog.Logger

	newWatcher func() (*fsnotify.Watcher, error) // nil means fsnotify.NewWatcher

	loader policyfile.Loader

	once  sync.Once
	reads chan struct{} // something new was read; holds one
	seed  maphash.Seed  // of fingerprints

	whole     atomic.Bool  // the files were read whole: there is something to go on with
	confirmed atomic.Int64 // when they were last read, or found unchanged: Unix time in ns; 0: never

	mu   sync.Mutex      // guards last and kept
	last *snapshot       // the latest one
	kept map[string]kept // by the last reading, if Keep
}

func (s *Source) setup() {
	s.once.Do(func() { s.reads, s.seed = make(chan struct{}, 1), maphash.MakeSeed() })
}

// Snapshot returns the files as they are now, for what is not policies, and the
// folder that they are in. Of a single file's folder only that file is listed,
// while others can be opened. Hidden files are never listed.
func (s *Source) Snapshot() (fsys fs.FS, place string, err error) {
	sn, err := s.take()
	if err != nil {
		return nil, "", err
	}
	return sn, sn.root.dir, nil
}

// take takes a snapshot, from which Watch tells differences from now on.
func (s *Source) take() (*snapshot, error) {
	s.setup()
	r, err := resolve(s.Path)
	sn := &snapshot{source: s, root: r, err: err, seen: map[lookup]string{}, hasher: newHasher(s.seed)}
	s.mu.Lock()
	s.last = sn
	s.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, access.Explain(printable.Error(err), s.Path)
	case err != nil:
		return nil, fmt.Errorf("%w; give a file, or a folder of them", printable.Error(err))
	}
	return sn, nil
}

// noteRead wakes Watch, which may have another folder to watch.
func (s *Source) noteRead() {
	select {
	case s.reads <- struct{}{}:
	default:
	}
}

// difference tells what is there now from the latest snapshot, see
// snapshot.difference.
func (s *Source) difference() (now string, cut bool) {
	s.mu.Lock()
	sn := s.last
	s.mu.Unlock()
	if sn == nil {
		return "nothing was read yet", false
	}
	now, cut = sn.difference()
	if now == "" && sn.err == nil {
		s.confirm()
	}
	return now, cut
}

func (s *Source) confirm() { s.confirmed.Store(time.Now().UnixNano()) }

// Confirmed returns when the files were last read, or compared and found unchanged.
func (s *Source) Confirmed() time.Time {
	if at := s.confirmed.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// interests returns the folders in which any change counts, and the paths of
// which a change counts: what was read, and the links on the way to it.
func (s *Source) interests() (folders, paths []string) {
	s.mu.Lock()
	sn := s.last
	s.mu.Unlock()
	paths = hops(filepath.Clean(s.Path))
	if sn == nil || sn.err != nil {
		return nil, paths
	}
	for _, l := range sn.lookups() {
		p := filepath.Join(sn.root.dir, filepath.FromSlash(l.name))
		if l.list {
			folders = append(folders, p)
		}
		paths = append(paths, hops(p)...)
	}
	// A ConfigMap's version changes here, whatever is read of it.
	return append(folders, sn.root.dir), paths
}
