package file

import (
	"cmp"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// watches are the folders that give notices. The zero one gives none.
type watches struct {
	log     *slog.Logger
	watcher *fsnotify.Watcher // nil when there are no notices
	events  <-chan fsnotify.Event
	errors  <-chan error
	warned  bool

	folders map[string]fs.FileInfo // :: watched folder -> what it was then
	whole   map[string]bool        // the folders in which any change counts
	paths   map[string]bool        // the paths of which a change counts
}

func (s *Source) startWatches() *watches {
	w := &watches{log: cmp.Or(s.Logger, slog.New(slog.DiscardHandler)), folders: map[string]fs.FileInfo{}}
	newWatcher := s.newWatcher
	if newWatcher == nil {
		newWatcher = fsnotify.NewWatcher
	}
	watcher, err := newWatcher()
	if err != nil {
		w.log.Warn("no notices of file changes, comparing the content instead", "every", cmp.Or(s.Poll, DefaultPoll), "error", err)
		return w
	}
	w.watcher, w.events, w.errors = watcher, watcher.Events, watcher.Errors
	return w
}

func (w *watches) close() {
	if w.watcher == nil {
		return
	}
	if err := w.watcher.Close(); err != nil {
		w.log.Warn("close the file watcher", "error", err)
	}
}

// cover watches what is of interest now, and reports whether that is more than
// before. A folder that was deleted and is back is watched anew.
func (w *watches) cover(folders, paths []string) (more bool) {
	if w.watcher == nil {
		return false
	}
	w.whole, w.paths = setOf(folders), setOf(paths)
	want := setOf(folders)
	for _, p := range paths {
		folder, missing := above(p)
		want[folder] = true
		for _, m := range missing {
			w.paths[m] = true
		}
	}
	watched := setOf(w.watcher.WatchList())
	for folder := range w.folders {
		if !want[folder] || !watched[folder] {
			w.drop(folder)
		}
	}
	for folder := range want {
		if w.add(folder) {
			more = true
		}
	}
	return more
}

// add watches a folder, if it is there and not watched yet.
func (w *watches) add(folder string) bool {
	now, err := os.Stat(folder)
	if err != nil {
		return false // the folder above it tells when it is back
	}
	before, known := w.folders[folder]
	if known && os.SameFile(before, now) {
		return false
	}
	if known {
		w.drop(folder)
	}
	if err := w.watcher.Add(folder); err != nil {
		if !w.warned {
			w.log.Warn("no notices of changes in a folder, comparing the content instead", "folder", folder, "error", err)
		}
		w.warned = true
		return false
	}
	w.folders[folder] = now
	return true
}

func (w *watches) drop(folder string) {
	delete(w.folders, folder)
	// It fails for a folder that is gone, whose watch is gone with it.
	_ = w.watcher.Remove(folder)
}

// concerns reports whether e may have changed what was read.
func (w *watches) concerns(e fsnotify.Event) bool {
	name := filepath.Clean(e.Name)
	_, folder := w.folders[name]
	return folder || w.paths[name] || w.whole[filepath.Dir(name)]
}

// above returns the nearest folder above p that is there, and the folders
// between that are not.
func above(p string) (folder string, missing []string) {
	for folder = filepath.Dir(p); folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(folder); err == nil {
			break
		}
		missing = append(missing, folder)
	}
	return folder, missing
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
