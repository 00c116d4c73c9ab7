package live

import (
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// Status says which set serves, and since when.
type Status struct {
	// Version is the program's version.
	Version string `json:"version"`
	// Ready says whether there is a set to serve.
	Ready bool `json:"ready"`
	// Generation counts the sets that were served, the first is 1.
	Generation uint64 `json:"generation"`
	// Hash is the hash of the served set, see policy.Set.Hash.
	Hash string `json:"hash"`
	// LoadedAt is when the served set was loaded, the zero time before the first.
	LoadedAt time.Time `json:"loadedAt,omitzero"`
	// Policies counts the served set's policies.
	Policies int `json:"policies"`
	// ServedFrom is where the served set was last found; empty before the first.
	ServedFrom Provenance `json:"servedFrom,omitempty"`
	// Release is what the served set was made of, if its source has releases.
	Release Release `json:"release,omitzero"`
	// SourceConfirmedAt is when the source was last found to have the same content. It is
	// zero if it never was, or if the source does not say.
	SourceConfirmedAt time.Time `json:"sourceConfirmedAt,omitzero"`
	// StateAt is when the last known good policies were last written. It is zero if they
	// are not kept.
	StateAt time.Time `json:"stateAt,omitzero"`
	// LastError says why the source's content does not serve. It is nil if the last load
	// was good.
	LastError *Failure `json:"lastError"`
}

// Provenance is where policies were found.
type Provenance string

// The provenances.
const (
	FromSource Provenance = "source"
	FromState  Provenance = "state" // the copy of what served before the start
)

// Failure is a load that was refused.
type Failure struct {
	// At is when it was refused.
	At time.Time `json:"at"`
	// Message is the error on one line.
	Message string `json:"message"`
	// Diagnostics are the mistakes in the policies.
	Diagnostics []policyfile.Diagnostic `json:"diagnostics,omitempty"`
}

// Status returns the state after the last load.
func (r *Reloader) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Version = r.Version
	s.Ready = s.Generation > 0
	if c, ok := r.Source.(Confirmer); ok {
		s.SourceConfirmedAt = c.Confirmed().UTC()
	}
	if r.Keeper != nil {
		s.StateAt = r.Keeper.Kept().UTC()
	}
	return s
}

// Load is the result of a load of the policies.
type Load struct {
	// At is when it began, and Took how long it took.
	At   time.Time
	Took time.Duration
	// Err says why it was refused or cut off, as a *LoadError. It is nil if the load was
	// accepted.
	Err error
	// Cut says that the end of the service cut it off: nothing was refused.
	Cut bool
	// Changed says that another set serves now.
	Changed bool
	// Status is the state after it.
	Status Status
}
