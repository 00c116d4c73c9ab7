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
	// LastError says why the source's content does not serve. It is nil if the last load
	// was good.
	LastError *Failure `json:"lastError"`
}

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
