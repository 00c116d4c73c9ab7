package live

import (
	"context"

	"github.com/corsgate/corsgate/policy/policyfile"
)

// Source is where policies come from: files, a store, an API. Package sourcetest tests
// what every source must do. A source is safe for concurrent use.
type Source interface {
	// Read judges the policies that the source has now. Mistakes in them are diagnostics,
	// with the places that their authors know. The error says why they could not be read
	// at all, and what to do. If ctx ends, the error says why it ended.
	Read(ctx context.Context) (policyfile.Result, error)
	// Watch calls changed whenever Read would give another result than the last one,
	// even if the change came before Watch was called. It returns nil once ctx has ended.
	// An error ends the service. changed does not block.
	Watch(ctx context.Context, changed func()) error
}
