// Package decisionlog writes decisions as JSON, one a line. A request never
// waits for it: what the writer cannot take in time is dropped and counted.
package decisionlog

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/lines"
)

// usualLine is the length in bytes that most lines do not exceed.
const usualLine = 1 << 10

// Log writes decisions to a writer. New makes one; it is safe for concurrent
// use. It implements server.Observer.
type Log struct {
	// Logger gets why lines could not be written; nil means nobody does.
	Logger *slog.Logger

	every uint64
	seen  atomic.Uint64
	queue *lines.Queue
}

// New returns a log of each decision whose number every divides: 1 logs all.
// Nothing is written before Run.
func New(w io.Writer, every int) *Log {
	l := &Log{every: uint64(max(every, 1)), queue: lines.New(w)}
	l.queue.Failed = func(err error) { l.logger().Error("decisions cannot be logged", "error", err) }
	return l
}

// Written returns how many lines were written.
func (l *Log) Written() uint64 { return l.queue.Written() }

// Dropped returns how many lines were not: the writer was too slow, or failed.
func (l *Log) Dropped() uint64 { return l.queue.Dropped() }

// Observe implements server.Observer.
func (l *Log) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	l.write(ctx, r, d, false)
}

// Compiled returns what logs decisions that Envoys take by themselves, in the same
// lines.
func (l *Log) Compiled() Compiled { return Compiled{l} }

// Compiled is a Log for the decisions of Envoys. It implements server.Observer.
type Compiled struct{ *Log }

// Observe implements server.Observer.
func (l Compiled) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	l.write(ctx, r, d, true)
}

func (l *Log) write(ctx context.Context, r *policy.Request, d *policy.Decision, compiled bool) {
	if l.every > 1 && l.seen.Add(1)%l.every != 0 {
		return
	}
	var room [usualLine]byte
	_, _ = l.queue.Write(Append(ctx, room[:0], time.Now(), r, d, compiled)) // it never fails
}

// Run writes until ctx ends, and then what still waits. A writer that blocks
// for ever is given up after a second, and left behind. It may be called once.
func (l *Log) Run(ctx context.Context) error {
	if lost := l.queue.Run(ctx); lost > 0 {
		l.logger().Warn("nobody reads the decision log, its last lines are lost", "lines", lost)
	}
	return nil
}

func (l *Log) logger() *slog.Logger {
	if l.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Logger
}
