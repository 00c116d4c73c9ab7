package server

import (
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/corsgate/corsgate/policy"
)

// Observer is told of decisions, for metrics and decision logs.
type Observer interface {
	// Observe is called once for each decision, before Envoy gets the answer,
	// from the goroutine of its request: it must not block, is called
	// concurrently, and must not keep r or d. The strings of r are raw bytes of
	// the request; quote them before they are written anywhere.
	Observe(ctx context.Context, r *policy.Request, d *policy.Decision)
}

func observe(ctx context.Context, o Observer, r *policy.Request, d *policy.Decision) {
	if o != nil {
		o.Observe(ctx, r, d)
	}
}

// orDiscard lets a nil Logger mean silence.
func orDiscard(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

// logPanic logs a recovered panic; it is called by the deferred function.
func logPanic(l *slog.Logger, where string, value any) {
	orDiscard(l).Error("panic, please report it", "in", where, "panic", value, "stack", string(debug.Stack()))
}
