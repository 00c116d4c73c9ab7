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
)

// DefaultQueue is how many lines wait for the writer before one is dropped. A
// line has a few hundred bytes, and at worst, when all of it has to be quoted,
// some 12 KiB.
const DefaultQueue = 4096

// keptLine is the capacity in bytes above which a line's memory is given back.
const keptLine = 4 << 10

// maxBatch is about how many bytes are written at once.
const maxBatch = 64 << 10

// lastWrite bounds how long Run waits, at its end, for a writer that blocks.
const lastWrite = time.Second

// Log writes decisions to a writer. New makes one; it is safe for concurrent
// use. It implements server.Observer.
type Log struct {
	// Logger gets why lines could not be written; nil means nobody does.
	Logger *slog.Logger

	writer  io.Writer
	every   uint64
	queue   chan *line
	free    chan *line // to be used again
	seen    atomic.Uint64
	written atomic.Uint64
	dropped atomic.Uint64
	failing bool // the last write failed; for Run alone
}

// line is the bytes of one decision.
type line struct{ bytes []byte }

// New returns a log of each decision whose number every divides: 1 logs all.
// queue is how many lines may wait; 0 means DefaultQueue. Nothing is written
// before Run.
func New(w io.Writer, every, queue int) *Log {
	if queue == 0 {
		queue = DefaultQueue
	}
	return &Log{writer: w, every: uint64(max(every, 1)), queue: make(chan *line, queue), free: make(chan *line, queue)}
}

// Written returns how many lines were written.
func (l *Log) Written() uint64 { return l.written.Load() }

// Dropped returns how many lines were not: the writer was too slow, or failed.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Observe implements server.Observer.
func (l *Log) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	if l.every > 1 && l.seen.Add(1)%l.every != 0 {
		return
	}
	n := l.line()
	n.bytes = appendDecision(ctx, n.bytes[:0], time.Now(), r, d)
	select {
	case l.queue <- n:
	default:
		l.dropped.Add(1)
		l.release(n)
	}
}

// line returns a line to write to.
func (l *Log) line() *line {
	select {
	case n := <-l.free:
		return n
	default:
		return &line{}
	}
}

// release lets a line be used again.
func (l *Log) release(n *line) {
	if cap(n.bytes) > keptLine {
		return
	}
	select {
	case l.free <- n:
	default:
	}
}

// Run writes until ctx ends, and then what still waits. A writer that blocks
// for ever is given up after a second, and left behind. It may be called once.
func (l *Log) Run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.write(ctx)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(lastWrite):
		l.logger().Warn("the decision log's reader does not read, its last lines are lost", "lines", len(l.queue))
	}
	return nil
}

func (l *Log) write(ctx context.Context) {
	var batch []byte
	for {
		select {
		case n := <-l.queue:
			batch = l.put(batch[:0], n)
		case <-ctx.Done():
			l.drain(batch)
			return
		}
	}
}

// drain writes what waits now.
func (l *Log) drain(batch []byte) {
	for {
		select {
		case n := <-l.queue:
			batch = l.put(batch[:0], n)
		default:
			return
		}
	}
}

// put writes the line, and those that wait behind it, at once. It returns
// batch, whose memory it uses.
func (l *Log) put(batch []byte, n *line) []byte {
	count := uint64(0)
	for n != nil {
		batch = append(batch, n.bytes...)
		count++
		l.release(n)
		n = nil
		if len(batch) < maxBatch {
			n = l.waiting()
		}
	}
	if _, err := l.writer.Write(batch); err != nil {
		l.fail(err, count)
		return batch
	}
	l.failing = false
	l.written.Add(count)
	return batch
}

// waiting returns a line that waits, or nil.
func (l *Log) waiting() *line {
	select {
	case n := <-l.queue:
		return n
	default:
		return nil
	}
}

// fail counts lines that were not written. The first failure is logged, and not
// those that follow.
func (l *Log) fail(err error, count uint64) {
	l.dropped.Add(count)
	if !l.failing {
		l.logger().Error("decisions cannot be logged", "error", err)
	}
	l.failing = true
}

func (l *Log) logger() *slog.Logger {
	if l.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Logger
}
