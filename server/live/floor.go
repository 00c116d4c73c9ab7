package live

import (
	"fmt"
	"maps"
)

// CodeRegressed is the code of a store that has lost releases which it had before.
const CodeRegressed = "store_regressed"

// Floor is how far a store had come at the releases that served. The zero Floor is of
// one of which nothing served.
type Floor struct {
	// Epoch is that of the last release.
	Epoch string `json:"epoch"`
	// Highest is the last release of each epoch.
	Highest map[string]Release `json:"highest"`
}

// Admit returns why r is not to be served, a *Fault, or nil. A release without an epoch
// is of a source that counts none, and is admitted.
func (f Floor) Admit(r Release) error {
	if r.Epoch == "" || f.Epoch == "" {
		return nil
	}
	if r.Epoch != f.Epoch {
		return f.admitEpoch(r)
	}
	switch last := f.Highest[r.Epoch]; {
	case r.Revision < last.Revision:
		return regressed("the store has gone back to revision %d, and revision %d has served", r.Revision, last.Revision)
	case r.Revision == last.Revision && r.Root != last.Root:
		return regressed("the store has another revision %d than the one that has served", r.Revision)
	}
	return nil
}

// admitEpoch is Admit for another epoch than the last one: one that is new and says
// that it was begun on purpose.
func (f Floor) admitEpoch(r Release) error {
	if _, old := f.Highest[r.Epoch]; old {
		return regressed("the store has gone back to epoch %q, which epoch %q has replaced", r.Epoch, f.Epoch)
	}
	if r.Replaces == "" {
		return regressed("the store has another history than the one that has served: epoch %q instead of %q", r.Epoch, f.Epoch)
	}
	return nil
}

func regressed(format string, args ...any) error {
	return &Fault{Code: CodeRegressed, Err: fmt.Errorf(format+"; if this is meant, restore the store with 'corsgate restore', or start with an empty --state-dir", args...)}
}

// With returns the floor once r has served.
func (f Floor) With(r Release) Floor {
	if r.Epoch == "" {
		return f
	}
	next := Floor{Epoch: r.Epoch, Highest: map[string]Release{}}
	maps.Copy(next.Highest, f.Highest)
	if _, known := next.Highest[r.Replaces]; r.Replaces != "" && !known {
		next.Highest[r.Replaces] = Release{Epoch: r.Replaces}
	}
	next.Highest[r.Epoch] = r
	return next
}
