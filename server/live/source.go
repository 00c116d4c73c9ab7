package live

import (
	"context"
	"errors"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// Source is where policies come from: files, a store, an API. Package sourcetest tests
// what every source must do. A source is safe for concurrent use.
type Source interface {
	Reader
	// Watch calls changed whenever Read would give another result than the last one,
	// even if the change came before Watch was called. It returns nil once ctx has ended.
	// An error ends the service. changed does not block.
	Watch(ctx context.Context, changed func()) error
}

// Reader is what policies are read from.
type Reader interface {
	// Read judges the policies that are there now. Mistakes in them are diagnostics,
	// with the places that their authors know. The error says why they could not be read
	// at all, and what to do; it may be a *Fault. If nothing answers, Read gives up after
	// a while. If ctx ends, the error says why it ended.
	Read(ctx context.Context) (Reading, error)
}

// Reading is what a source had at one time.
type Reading struct {
	policyfile.Result
	// Files are all files that the policies were judged from, for callers that keep a copy:
	// package policyfile makes the same policies of them. They are nil if the source was not
	// asked for them. Do not change them.
	Files []File
	// Release names what was read. It is zero if the source has no releases.
	Release Release
}

// File is a file that policies are read from. Its name is relative to their folder, with
// slashes. It begins with ChosenPrefix if the file was chosen as the only one with policies:
// the others are groups, whatever they are called.
type File struct {
	Name string
	Data []byte
}

// ChosenPrefix is what no name within a folder begins with, as fs.ValidPath says.
const ChosenPrefix = "./"

// Release names one state of a store of policies.
type Release struct {
	// Epoch names the history that the revision belongs to.
	Epoch string `json:"epoch"`
	// Revision counts the releases of an epoch, from 1.
	Revision uint64 `json:"revision"`
	// Root is a hash of the whole release.
	Root string `json:"root"`
	// Replaces is the epoch that this one was begun to replace, on purpose; empty if
	// the epoch replaces none.
	Replaces string `json:"replaces,omitempty"`
	// Hash is that of the store's record of it.
	Hash string `json:"hash,omitempty"`
}

// CodeRegressed is the code of a store that has lost releases which it had before.
const CodeRegressed = "store_regressed"

// Confirmer is a Source that asks at intervals whether its content is still the same, even
// if it has no notice of a change.
type Confirmer interface {
	// Confirmed returns when the source last answered, or the zero time if it never did. It
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

// CodeOf returns the code of an error that is a Fault, or wraps one; else it is empty.
func CodeOf(err error) string {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Code
	}
	return ""
}
