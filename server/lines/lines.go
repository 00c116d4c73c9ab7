// Package lines writes lines to a writer that may block for as long as it
// likes, as a pipe does that nobody reads. Who hands in a line never waits for
// that: what the writer does not take in time is dropped and counted.
package lines

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// maxWaiting is how many bytes of lines wait before one is dropped. At most as
// many more are being written.
const maxWaiting = 1 << 20

// lastWrite bounds how long Run waits, at its end, for a writer that blocks.
const lastWrite = time.Second

// Queue hands lines on to a writer, in their order. New makes one; it is safe
// for concurrent use, and its fields are set before the first line.
type Queue struct {
	// Failed is told the error of a write, and not those of the writes that fail
	// after it; nil means nobody is.
	Failed func(error)
	// Missed returns the line that stands where so many were dropped; nil means
	// that none does.
	Missed func(uint64) []byte

	writer  io.Writer
	most    int
	wake    chan struct{} // something waits; holds one
	pending atomic.Int64  // lines that wait or are being written
	written atomic.Uint64
	dropped atomic.Uint64

	mu       sync.Mutex
	waiting  []byte // whole lines
	overflow uint64 // lines that were dropped behind those

	// For the writing goroutine alone.
	failing bool   // the last write failed
	untold  uint64 // dropped lines that Missed has not been asked for
}

// New returns a queue before w. Nothing is written before Run.
func New(w io.Writer) *Queue {
	return &Queue{writer: w, most: maxWaiting, wake: make(chan struct{}, 1)}
}

// Written returns how many lines were written.
func (q *Queue) Written() uint64 { return q.written.Load() }

// Dropped returns how many lines were not written: the writer was too slow, or failed.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Write takes a line, or several, that end with a newline. It never blocks and
// never fails; it keeps nothing of p.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+len(p) > q.most {
		q.overflow += count(p)
		q.dropped.Add(count(p))
		return len(p), nil
	}
	q.waiting = append(q.waiting, p...)
	q.pending.Add(int64(count(p)))
	select {
	case q.wake <- struct{}{}:
	default: // it is awake already
	}
	return len(p), nil
}

// Run writes until ctx ends, and then what still waits. A writer that blocks
// for ever is given up after a second, and left behind: lost is how many lines
// it has not taken. It may be called once.
func (q *Queue) Run(ctx context.Context) (lost int64) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		q.write(ctx)
	}()
	<-ctx.Done()
	select {
	case <-ended:
		return 0
	case <-time.After(lastWrite):
		return q.pending.Load()
	}
}

func (q *Queue) write(ctx context.Context) {
	var batch []byte
	for {
		select {
		case <-q.wake:
			batch = q.flush(batch)
		case <-ctx.Done():
			q.flush(batch)
			return
		}
	}
}

// flush writes what waits now. It returns what it has written, whose memory it
// uses the next time.
func (q *Queue) flush(spare []byte) []byte {
	batch := q.take(spare)
	if len(batch) > 0 {
		q.put(batch)
	}
	if q.untold > 0 && !q.failing && q.Missed != nil {
		q.tell()
	}
	return batch
}

// take returns the lines that wait; from now on lines wait in spare.
func (q *Queue) take(spare []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch := q.waiting
	q.waiting = spare[:0]
	q.untold += q.overflow
	q.overflow = 0
	return batch
}

// put writes batch.
func (q *Queue) put(batch []byte) {
	n, err := q.writer.Write(batch)
	done, lost := count(batch[:n]), count(batch[n:])
	q.written.Add(done)
	q.dropped.Add(lost)
	q.pending.Add(-int64(done + lost))
	q.untold += lost
	if err != nil && !q.failing && q.Failed != nil {
		q.Failed(err)
	}
	q.failing = err != nil
}

// tell writes that lines are missing, which came after all that was written.
func (q *Queue) tell() {
	if _, err := q.writer.Write(q.Missed(q.untold)); err != nil {
		q.failing = true
		return
	}
	q.untold = 0
}

func count(lines []byte) uint64 { return uint64(bytes.Count(lines, []byte("\n"))) }
