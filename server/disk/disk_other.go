//go:build !unix || solaris || aix

package disk

import "os"

// TryLock returns ErrNoLocks.
func TryLock(string) (*os.File, error) { return nil, ErrNoLocks }

// SyncFolder does nothing.
func SyncFolder(string) error { return nil }
