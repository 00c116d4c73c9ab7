package store

import (
	"context"
	"errors"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// Instance is what an instance reports of itself.
type Instance struct {
	// Name is unique in the fleet, and Labels say where it is.
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	// Version is the program's.
	Version string `json:"version,omitempty"`
	// Serves is the release that it serves; zero if it serves none of a store.
	Serves live.Release `json:"serves"`
	Ready  bool         `json:"ready"`
	// Refused is the code of the last load if that was refused, see live.LoadError.
	Refused string `json:"refused,omitempty"`
	// LastKnownGood tells that it serves its state, since its source is away.
	LastKnownGood bool `json:"lastKnownGood,omitempty"`
	// Envoys counts its Envoys by how they stand to what it serves: ecds.State.
	Envoys map[string]int `json:"envoys,omitempty"`
	// Silent tells that it has reported within the last day and does so no more. It is
	// Instances' to say.
	Silent bool `json:"silent,omitempty"`
	// Unreadable tells that the report is not of a known format; it has a name alone then.
	Unreadable bool `json:"unreadable,omitempty"`
}

// Instances returns what the instances report, sorted by name.
func Instances(ctx context.Context, b Backend) ([]Instance, error) {
	return nil, errors.ErrUnsupported
}

// Reporter reports an instance: after each change of it, and as long as it runs.
type Reporter struct {
	Backend Backend
	// Report returns what to report. It is called often, and its Name does not change.
	Report func() Instance
	// Jitter is within which time a change is reported, so that a fleet does not do so at
	// once; 0 means DefaultJitter, and less than 0 none.
	Jitter time.Duration
	// Failed is told of each report that could not be made; nil means nobody is.
	Failed func(error)
}

// DefaultJitter is Reporter's.
const DefaultJitter = 2 * time.Second

// Run reports until ctx ends. Then it withdraws the report, unless that takes long.
func (r *Reporter) Run(ctx context.Context) error { return errors.ErrUnsupported }
