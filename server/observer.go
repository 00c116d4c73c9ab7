package server

import (
	"log/slog"
	"runtime/debug"

	"github.com/corsgate/corsgate/server/wire"
)

// Observer is told of decisions, for metrics and decision logs. What it is
// given is valid during the call only.
type Observer = wire.Observer

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
