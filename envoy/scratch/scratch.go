// Package scratch makes temporary folders. What a process that was killed has
// left of them, the next one removes.
package scratch

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Folder is a temporary folder. Its process holds a lock on it, which ends with
// the process, however that ends.
type Folder struct {
	// Path is where it is.
	Path string
	held *os.File
}

// New makes a folder in dir whose name begins with prefix and a dot, after it
// has cleared dir. No dir is os.TempDir().
func New(dir, prefix string) (*Folder, error) {
	dir = cmp.Or(dir, os.TempDir())
	Clear(dir, prefix)
	for {
		path, err := os.MkdirTemp(dir, prefix+".*")
		if err != nil {
			return nil, err
		}
		held, err := hold(path)
		if err == nil || errors.Is(err, errors.ErrUnsupported) {
			return &Folder{path, held}, nil
		}
		// Another process takes it for left behind and removes it.
		if !errors.Is(err, errHeld) && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, os.RemoveAll(path))
		}
	}
}

// Remove removes the folder and all in it.
func (f *Folder) Remove() error {
	err := os.RemoveAll(f.Path)
	if f.held != nil {
		err = errors.Join(err, f.held.Close())
	}
	return err
}

// Clear removes what processes that have ended left behind in dir: folders of
// New's that nobody holds. What it cannot remove stays.
func Clear(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasPrefix(e.Name(), prefix+".") {
			continue
		}
		if held, err := hold(path); err == nil {
			_ = os.RemoveAll(path)
			_ = held.Close()
		}
	}
}

// errHeld is a folder that a process holds.
var errHeld = errors.New("the folder is held by a process")
