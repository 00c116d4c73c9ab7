package live

import (
	"time"

	"github.com/corsgate/corsgate/policy"
)

// Sink serves policies, or counts, reports or explains what they decide.
type Sink interface {
	// Prepare makes what the sink needs for a set, without changing what serves. If one
	// sink returns an error, all of them keep what they have. Otherwise commit is called
	// once all have prepared. It cannot fail, and must be quick.
	//
	// Return an error only for a set that the sink will never accept. Its text says what
	// to change: the set is not offered again until the source changes or somebody asks
	// for a reload. If something may succeed later, as when a peer is away, the sink
	// itself tries again after commit.
	Prepare(set *policy.Set) (commit func(), err error)
}

// Keeper keeps a copy of what serves, for a start before the source is read. It is
// safe for concurrent use.
type Keeper interface {
	// Keep takes what serves now. It must not block.
	Keep(r Reading)
	// Read judges the copy that was there at the start, until the first Keep; the error
	// is fs.ErrNotExist if there was no copy.
	Reader
	// Kept returns when the copy was made, or the zero time if there is none.
	Kept() time.Time
}

// Watcher is told of loads. Its methods must not block.
type Watcher interface {
	// Loading is called when a load begins. The function that it returns is called when
	// the load has ended.
	Loading() (loaded func(Load))
}

// prepareAll lets all sinks prepare a set. It returns a function that commits the set to
// them, in their order.
func prepareAll(sinks []Sink, set *policy.Set) (commit func(), err error) {
	commits := make([]func(), len(sinks))
	for i, s := range sinks {
		if commits[i], err = s.Prepare(set); err != nil {
			return nil, err
		}
	}
	return func() {
		for _, commit := range commits {
			commit()
		}
	}, nil
}
