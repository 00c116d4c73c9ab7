package live_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/live"
)

// app is the origin that the policies of the tests allow.
const app = "https://app.example.com"

// kept is a sink that keeps the set.
type kept struct{ atomic.Pointer[policy.Set] }

func (k *kept) Prepare(set *policy.Set) (commit func(), err error) {
	return func() { k.Store(set) }, nil
}

// keptBy returns the first sink of r.
func keptBy(r *live.Reloader) *kept { return r.Sinks[0].(*kept) }

// giveUp is far above what anything takes, on a machine that has much else to do.
const giveUp = 3 * time.Minute

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), giveUp)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(giveUp); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: waited in vain", what)
		}
	}
}

// logged is a log that a test reads while it is written.
type logged struct{ linestest.Buffer }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
