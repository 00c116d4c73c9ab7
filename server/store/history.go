package store

import (
	"context"
	"errors"
)

// Current returns the release that serves, without its files. The revision is 0 if
// nothing was pushed.
func Current(ctx context.Context, b Backend) (Info, error) { return Info{}, errors.ErrUnsupported }

// History returns the newest releases of the present epoch, the newest first: at most
// that many, or all that are left if most is 0.
func History(ctx context.Context, b Backend, most int) ([]Info, error) {
	return nil, errors.ErrUnsupported
}

// Pull returns the release of a revision, every hash checked; 0 is the one that serves.
// The error is a *live.Fault.
func Pull(ctx context.Context, b Backend, revision uint64) (*Release, error) {
	return nil, errors.ErrUnsupported
}

// Collected counts what GC has deleted, or would.
type Collected struct {
	Records     int `json:"records"`
	Units       int `json:"units"`
	Checkpoints int `json:"checkpoints"`
	// Kept is the oldest revision that is left.
	Kept uint64 `json:"kept"`
	// Pushing tells that a push may be under way, or was broken off within the last hour:
	// nothing was deleted.
	Pushing bool `json:"pushing"`
}

// GC deletes what the newest releases do not need; keep is their number, at least 1. If
// dry is set it only counts.
func GC(ctx context.Context, b Backend, keep int, dry bool) (Collected, error) {
	return Collected{}, errors.ErrUnsupported
}
