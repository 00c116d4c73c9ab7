package live

import (
	"context"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// Source is where policies come from: files, a store, an API. Package sourcetest
// holds what every source does. A source is safe for concurrent use.
type Source interface {
	Reader
	// Watch calls changed whenever Read would give another result than it did last,
	// also if that came about before Watch was called, until ctx ends; then it
	// returns nil. An error ends the service. changed does not block.
	Watch(ctx context.Context, changed func()) error
}

// Reader is what policies are read from.
type Reader interface {
	// Read judges the policies that are there now. Mistakes in them are
	// diagnostics, with the places that their authors know. The error says why they
	// could not be read at all, and what to do; it may be a *Fault. If nothing answers,
	// Read gives up after a while. If ctx ends, the error is why.
	Read(ctx context.Context) (Reading, error)
}

// Reading is what a source held at one time.
type Reading struct {
	policyfile.Result
	// Files are all files that the policies were judged from, for who keeps a copy: package
	// policyfile makes the same of them. They are nil if the source was not asked for
	// them. They are not to be changed.
	Files []File
	// Release names what was read; the zero Release is of a source that has none.
	Release Release
}

// File is a file that policies are read from. Its name is relative to their folder, with
// slashes.
type File struct {
	Name string
	Data []byte
}

// Release names one state of a store of policies.
type Release struct {
	// Epoch names the history that the revision belongs to.
	Epoch string `json:"epoch"`
	// Revision counts the releases of an epoch, from 1.
	Revision uint64 `json:"revision"`
	// Root is a hash of all that the release says.
	Root string `json:"root"`
	// Replaces is the epoch that this one was begun to replace, on purpose; empty if
	// the epoch replaces none.
	Replaces string `json:"replaces,omitempty"`
}

// Confirmer is a Source that asks at intervals whether it still holds what it did,
// although nothing tells of a change.
type Confirmer interface {
	// Confirmed returns when the source last answered; the zero time if it never did. It
	// is safe for concurrent use.
	Confirmed() time.Time
}

// Fault is an error of a source with a stable code, such as "store_regressed", by which
// metrics count it.
type Fault struct {
	Code string
	Err  error
}

// Error returns the text of Err.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }
