package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// hand gives q lines of one byte.
func hand(q *Queue, lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(q, line)
	}
}

// wantCounts compares what q has counted.
func wantCounts(t *testing.T, q *Queue, written, dropped uint64, pending int64) {
	t.Helper()
	if q.Written() != written || q.Dropped() != dropped || q.pending.Load() != pending {
		t.Errorf("%d written, %d dropped, %d pending, want %d, %d, %d", q.Written(), q.Dropped(), q.pending.Load(), written, dropped, pending)
	}
}

// sayMissed stands in a log where lines are missing.
func sayMissed(n uint64) []byte { return fmt.Appendf(nil, "%d missed\n", n) }

func TestLinesBeyondTheQueueAreDroppedCountedAndTold(t *testing.T) {
	var out bytes.Buffer
	q := New(&out)
	q.most, q.Missed = 6, sayMissed
	hand(q, "1", "2", "3", "4", "5")
	wantCounts(t, q, 0, 2, 3)
	q.flush(nil)
	hand(q, "6")
	q.flush(nil)
	if want := "1\n2\n3\n2 missed\n6\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
	wantCounts(t, q, 4, 2, 0)
	hand(q, "too long to wait at all")
	q.flush(nil)
	if want := "1 missed\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("got %q, want %q at the end", &out, want)
	}
}

// failing is a writer that takes so many bytes at a time while it fails.
type failing struct {
	bytes.Buffer
	fails bool
	takes int
}

func (w *failing) Write(b []byte) (int, error) {
	if !w.fails {
		return w.Buffer.Write(b)
	}
	n, _ := w.Buffer.Write(b[:min(len(b), w.takes)])
	return n, errors.New("no reader")
}

func TestAWriterThatFailsIsToldOfOnceAndItsLinesAreCounted(t *testing.T) {
	w := &failing{fails: true}
	q := New(w)
	q.Missed = sayMissed
	told := 0
	q.Failed = func(error) { told++ }
	for range 3 {
		hand(q, "1", "2")
		q.flush(nil)
	}
	wantCounts(t, q, 0, 6, 0)
	w.takes = 3 // a line and a half
	hand(q, "3", "4")
	q.flush(nil)
	wantCounts(t, q, 1, 7, 0)
	if told != 1 {
		t.Errorf("told of %d failures", told)
	}
	w.fails = false
	hand(q, "5")
	q.flush(nil)
	if want := "3\n45\n7 missed\n"; w.String() != want {
		t.Errorf("got %q, want %q", w.String(), want)
	}
	w.fails, w.takes = true, 0
	hand(q, "6")
	q.flush(nil)
	if told != 2 {
		t.Errorf("told of %d failures", told)
	}
}

// TestWhatIsMissingIsToldAgain has the writer fail when it is told.
func TestWhatIsMissingIsToldAgain(t *testing.T) {
	w := &failing{}
	q := New(w)
	q.most = 2
	q.Missed = func(n uint64) []byte {
		w.fails = true
		return sayMissed(n)
	}
	hand(q, "1", "2")
	q.flush(nil)
	w.fails, q.Missed = false, sayMissed
	hand(q, "3", "4")
	q.flush(nil)
	if want := "1\n3\n2 missed\n"; w.String() != want {
		t.Errorf("got %q, want %q", w.String(), want)
	}
}

func TestRunWritesEveryLineInItsOrder(t *testing.T) {
	var out bytes.Buffer
	q := New(&out)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int64, 1)
	go func() { ended <- q.Run(ctx) }()
	var want []string
	for i := range 10_000 {
		want = append(want, fmt.Sprint(i))
		hand(q, want[i])
	}
	cancel()
	if lost := <-ended; lost != 0 {
		t.Errorf("%d lines are lost", lost)
	}
	if got := strings.Fields(out.String()); !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d in their order", len(got), len(want))
	}
	wantCounts(t, q, 10_000, 0, 0)
}

// TestNobodyWaitsForAWriterThatBlocks ends a queue whose pipe nobody reads.
func TestNobodyWaitsForAWriterThatBlocks(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close() // which ends the goroutine that is left behind
	q := New(w)
	q.most = 100
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int64, 1)
	go func() { ended <- q.Run(ctx) }()
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			for range 1000 {
				hand(q, "x")
			}
		})
	}
	g.Wait()
	cancel()
	lost := <-ended
	if lost < 50 || lost > 100 || q.Dropped() != uint64(4000-lost) || q.Written() != 0 {
		t.Errorf("%d lines are lost, %d dropped, %d written", lost, q.Dropped(), q.Written())
	}
}

func TestALineCostsNoMemory(t *testing.T) {
	q := New(io.Discard)
	line, batch := []byte("a line\n"), make([]byte, 0, 512)
	n := testing.AllocsPerRun(100, func() {
		_, _ = q.Write(line)
		batch = q.flush(batch)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
