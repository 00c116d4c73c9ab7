//go:build !unix

package state

import "os"

// ownersCount says that the mode of a folder tells who may write to it.
const ownersCount = false

// lockFile opens a file: a folder is locked on Unix alone.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

// syncFolder does nothing: a folder can be synchronised on Unix alone.
func syncFolder(string) error { return nil }
