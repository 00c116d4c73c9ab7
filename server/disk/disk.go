// Package disk has what files need of the system so that one process writes them, and so
// that they survive a crash of the machine.
package disk

import "errors"

// ErrNoLocks is for systems on which files cannot be locked.
var ErrNoLocks = errors.New("this system has no locks of files")
