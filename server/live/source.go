package live

import (
	"context"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// Source is where policies come from: files, a store, an API. Package sourcetest
// holds what every source does. A source is safe for concurrent use.
type Source interface {
	// Read judges the policies that the source holds now. Mistakes in them are
	// diagnostics, with the places that their authors know. The error says why they
	// could not be read at all, and what to do; if ctx ends, the error is why.
	Read(ctx context.Context) (policyfile.Result, error)
	// Watch calls changed whenever Read would give another result than it did last,
	// also if that came about before Watch was called, until ctx ends; then it
	// returns nil. An error ends the service. changed does not block.
	Watch(ctx context.Context, changed func()) error
}
