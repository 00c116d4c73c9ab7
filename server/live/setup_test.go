package live_test

import (
	"log/slog"
	"sync/atomic"

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

// logged is a log that a test reads while it is written.
type logged struct{ linestest.Buffer }

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
