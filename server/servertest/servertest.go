// Package servertest has what the tests of the service share.
package servertest

import (
	"context"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/live"
)

// Patience is far above what anything takes, on a machine that has much else to
// do.
const Patience = 3 * time.Minute

// Context returns a context that ends after Patience, or with the test.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Await looks until it is ok; after Patience the test fails.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > Patience {
			t.Fatalf("%s: waited in vain", what)
		}
	}
}

// Prepare has a sink prepare a set, and returns what commits it.
func Prepare(t testing.TB, s live.Sink, set *policy.Set) (commit func()) {
	t.Helper()
	commit, err := s.Prepare(set)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}
