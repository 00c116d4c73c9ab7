package recent

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/decisionlog"
)

// The bounds of what is kept.
const (
	// Most is how many decisions are kept.
	Most = 1024
	// PerSecond is how many decisions a second are kept of those that come for long. As many
	// may come at once, as when a page loads, and all are kept.
	PerSecond = 200
	// ticks is in how many parts a second's share is given out.
	ticks = 10
)

// Decisions are a sample of the last decisions. The zero Decisions are ready to use, and
// keep the first decisions before Run. They are safe for concurrent use, must not be copied,
// and implement server.Observer and live.Sink.
type Decisions struct {
	left  atomic.Uint64 // how many were not kept
	taken atomic.Int64  // how many of the share are; each tick gives some back
	told  atomic.Bool   // whether an Envoy told a decision of its own

	mu      sync.Mutex
	kept    uint64          // guarded by mu; how many were ever kept
	last    [Most]Decision  // guarded by mu; decision n stands at n % Most
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
			ds.taken.Add(-min(ds.taken.Load(), PerSecond/ticks))
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
	if !ds.told.Load() { // a write each time would slow the others
		ds.told.Store(true)
	}
	ds.observe(ctx, r, d, true)
}

// Told reports whether an Envoy ever told a decision that it took by itself, be it kept or
// not.
func (ds *Decisions) Told() bool { return ds.told.Load() }

// observe keeps a decision if it is time to. Requests without an Origin do not count.
func (ds *Decisions) observe(ctx context.Context, r *policy.Request, d *policy.Decision, compiled bool) {
	if r.Origin == "" {
		return
	}
	if !ds.take() {
		ds.left.Add(1)
		return
	}
	kept := newDecision(ctx, r, d, compiled)
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.last[ds.kept%Most] = kept
	ds.kept++
	ds.count(r.Origin, &d.Verdict)
	if d.Shadow.Answer != nil {
		ds.count(r.Origin, &d.Shadow)
	}
}

// take takes a part of the share, unless there is none.
func (ds *Decisions) take() bool {
	for {
		taken := ds.taken.Load()
		if taken >= PerSecond {
			return false
		}
		if ds.taken.CompareAndSwap(taken, taken+1) {
			return true
		}
	}
}

// Decision is a decision that is kept.
type Decision struct {
	// Line is that of the decision log. The caller must not change it.
	Line []byte
	// What the line says, too, so that nobody has to read it to choose decisions.
	Policy, Reason             string
	ShadowPolicy, ShadowReason string
	Origin                     string // as in a [decisionlog.Entry]
}

func newDecision(ctx context.Context, r *policy.Request, d *policy.Decision, compiled bool) Decision {
	kept := Decision{
		Line:   decisionlog.Append(ctx, nil, time.Now(), r, d, compiled),
		Policy: d.Policy, Reason: d.Reason.String(), Origin: strings.Clone(decisionlog.Text(r.Origin)),
	}
	if d.Shadow.Answer != nil {
		kept.ShadowPolicy, kept.ShadowReason = d.Shadow.Policy, d.Shadow.Reason.String()
	}
	return kept
}

// Tail are kept decisions from a place on.
type Tail struct {
	// Decisions are in the order in which they were kept.
	Decisions []Decision
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
	oldest := ds.kept - min(ds.kept, Most)
	if place < oldest {
		t.Lost, place = oldest-place, oldest
	}
	if place < ds.kept {
		t.Decisions = make([]Decision, 0, ds.kept-place)
	}
	for ; place < ds.kept; place++ {
		t.Decisions = append(t.Decisions, ds.last[place%Most])
	}
	return t
}

// Share says how many decisions there were since the start, and how many of them were kept.
// One that is about to be kept does not count yet.
func (ds *Decisions) Share() (seen, kept uint64) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.seen(), ds.kept
}

// seen returns how many decisions there were. The caller holds the lock.
func (ds *Decisions) seen() uint64 { return ds.kept + ds.left.Load() }
