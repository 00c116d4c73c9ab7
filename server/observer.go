package server

import (
	"cmp"
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/wire"
)

// Observer gets decisions, for metrics and decision logs. Its arguments are valid only
// during the call.
type Observer = wire.Observer

// Observers get each decision in their order.
type Observers []Observer

// Observe implements Observer.
func (os Observers) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	for _, o := range os {
		o.Observe(ctx, r, d)
	}
}

// orDiscard lets a nil Logger mean silence.
func orDiscard(l *slog.Logger) *slog.Logger { return cmp.Or(l, slog.New(slog.DiscardHandler)) }

// logPanic logs a recovered panic; it is called by the deferred function.
func logPanic(l *slog.Logger, where string, value any) {
	orDiscard(l).Error("panic, please report it", "in", where, "panic", value, "stack", string(debug.Stack()))
}
