package recent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/decisionlog"
)

// The bounds of what is kept.
const (
	// Lines is how many decisions are kept.
	Lines = 1024
	// PerSecond is how many decisions a second are kept at most.
	PerSecond = 200
	// ticks is in how many parts a second's share is given out.
	ticks = 10
)

// Decisions are a sample of the last decisions. The zero Decisions are ready to use, and
// keep the first decisions before Run. They are safe for concurrent use, must not be copied,
// and implement server.Observer and live.Sink.
type Decisions struct {
	seen  atomic.Uint64
	taken atomic.Int64 // since the last tick

	mu      sync.Mutex
	kept    uint64          // guarded by mu; how many were ever kept
	lines   [Lines][]byte   // guarded by mu; line n stands at n % Lines
	uses    map[string]*use // guarded by mu; :: policy
	counted int             // guarded by mu; the origins of all uses
}

// Run lets decisions be kept until ctx ends.
func (ds *Decisions) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			ds.taken.Store(0)
		}
	}
}

// Observe implements server.Observer.
func (ds *Decisions) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	ds.observe(ctx, r, d, false)
}

// Compiled returns an observer for the decisions that Envoys take by themselves.
func (ds *Decisions) Compiled() Compiled { return Compiled{ds} }

// Compiled are Decisions for those of Envoys. It implements server.Observer.
type Compiled struct{ *Decisions }

// Observe implements server.Observer.
func (ds Compiled) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	ds.observe(ctx, r, d, true)
}

// observe keeps a decision if it is time to. Requests without an Origin do not count.
func (ds *Decisions) observe(ctx context.Context, r *policy.Request, d *policy.Decision, compiled bool) {
	if r.Origin == "" {
		return
	}
	ds.seen.Add(1)
	const most = PerSecond / ticks
	if ds.taken.Load() >= most || ds.taken.Add(1) > most {
		return
	}
	line := decisionlog.Append(ctx, nil, time.Now(), r, d, compiled)
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.lines[ds.kept%Lines] = line
	ds.kept++
	ds.count(r.Origin, &d.Verdict)
	if d.Shadow.Answer != nil {
		ds.count(r.Origin, &d.Shadow)
	}
}

// Tail are kept decisions from a place on.
type Tail struct {
	// Lines are those of the decision log, the oldest first. The caller must not change
	// them.
	Lines [][]byte
	// Next is the place after them, and Lost is how many were forgotten before they were
	// read.
	Next, Lost uint64
}

// From returns the decisions from a place on; 0 is the first. A place that is not yet there
// counts as Next.
func (ds *Decisions) From(place uint64) Tail {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	t := Tail{Next: ds.kept}
	oldest := ds.kept - min(ds.kept, Lines)
	if place < oldest {
		t.Lost, place = oldest-place, oldest
	}
	for ; place < ds.kept; place++ {
		t.Lines = append(t.Lines, ds.lines[place%Lines])
	}
	return t
}

// Share says how many decisions there were since the start, and how many of them were kept.
func (ds *Decisions) Share() (seen, kept uint64) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.seen.Load(), ds.kept
}
