package live

import (
	"context"
	"io/fs"
)

// Source is where policies come from.
type Source interface {
	// Snapshot returns the source's content now, with the policy files at its
	// root; place is put before its names in diagnostics. The returned FS is
	// read by one goroutine, before the next Snapshot.
	Snapshot(ctx context.Context) (fsys fs.FS, place string, err error)
	// Watch calls changed whenever the content may have changed since the last
	// Snapshot, whichever came first, until ctx ends; then it returns nil. Any
	// other error ends the service. changed does not block.
	Watch(ctx context.Context, changed func()) error
}

// verifier is an optional power of the FS of a Snapshot whose content can
// change while it is read.
type verifier interface {
	// Unchanged reports whether all that was read is still the content now. It
	// may wait a little for what is being written.
	Unchanged(ctx context.Context) bool
}
