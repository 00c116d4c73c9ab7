package console

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// The history of the rates.
const (
	step   = 5 * time.Second
	points = 60
	// idle is how much longer than the counting took it waits, so that many policies cost
	// at most a hundredth of a core.
	idle = 100
)

// totals are decisions by reason.
type totals [policy.NumReasons]uint64

// tally adds up what policies decide. If a policy is gone, it keeps what it took of it. The
// zero tally has counted nothing.
type tally struct {
	counted map[string]totals // :: name of a policy that serves
	totals
}

// take adds what was decided since the last time.
func (t *tally) take(counts iter.Seq[Count]) {
	counted := make(map[string]totals, len(t.counted))
	for n := range counts {
		before := t.counted[n.Policy]
		for reason, k := range n.Decided {
			if k < before[reason] {
				before[reason] = 0 // it was gone meanwhile, and counts anew
			}
			t.totals[reason] += k - before[reason]
		}
		counted[n.Policy] = n.Decided
	}
	t.counted = counted
}

// sample is the totals at a time.
type sample struct {
	at time.Time
	totals
}

// rates are the samples of the last minutes. The zero rates are empty.
type rates struct {
	mu      sync.Mutex // guards what follows
	tally   tally
	samples []sample // the oldest first
}

// run takes samples until ctx ends.
func (rs *rates) run(ctx context.Context, counts func() iter.Seq[Count]) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
			begin := time.Now()
			rs.sample(begin, counts())
			wait.Reset(max(step, idle*time.Since(begin)))
		}
	}
}

// sample takes one.
func (rs *rates) sample(at time.Time, counts iter.Seq[Count]) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.samples) > points {
		rs.samples = append(rs.samples[:0], rs.samples[1:]...)
	}
	rs.tally.take(counts)
	rs.samples = append(rs.samples, sample{at, rs.tally.totals})
}

// rate is how often a reason came.
type rate struct {
	Reason string `json:"reason"`
	// Total counts since the start. What a policy decided in the last seconds before it was
	// taken away is missing.
	Total uint64 `json:"total"`
	// PerSecond are the rates of the last minutes, the oldest first. Now is the last of them.
	PerSecond []float64 `json:"perSecond"`
	Now       float64   `json:"now"`
}

// list returns the rates of the reasons that came.
func (rs *rates) list(counts iter.Seq[Count]) (list []rate) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.tally.take(counts)
	now := rs.tally.totals
	list = []rate{}
	for _, reason := range policy.Reasons() {
		if now[reason] == 0 {
			continue
		}
		r := rate{Reason: reason.String(), Total: now[reason], PerSecond: []float64{}}
		for i := 1; i < len(rs.samples); i++ {
			r.Now = rs.samples[i].since(&rs.samples[i-1], reason)
			r.PerSecond = append(r.PerSecond, r.Now)
		}
		list = append(list, r)
	}
	return list
}

// since returns how often a second a reason came between two samples.
func (s *sample) since(before *sample, r policy.Reason) float64 {
	return float64(s.totals[r]-before.totals[r]) / s.at.Sub(before.at).Seconds()
}
