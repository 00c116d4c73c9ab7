// Package disk has what files need of the system so that one process writes them, and so
// that they survive a crash of the machine.
package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNoLocks is for systems on which files cannot be locked.
var ErrNoLocks = errors.New("this system has no locks of files")

// MakeFolder makes a folder, and those above it, with that mode, unless they are there.
// What it has made survives a crash of the machine. Several may call it at the same time.
func MakeFolder(path string, mode fs.FileMode) error {
	path = filepath.Clean(path)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(path, mode) // which says what is there instead
	}
	above := filepath.Dir(path)
	if err := MakeFolder(above, mode); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) { // somebody else may be faster
		return err
	}
	return SyncFolder(above)
}
