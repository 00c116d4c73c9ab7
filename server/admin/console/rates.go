package console

import (
	"context"
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

// totals are the decisions of all policies by reason.
type totals [policy.NumReasons]uint64

// totals adds up what all policies have decided.
func (c *Console) totals() (sum totals) {
	for n := range c.Counts() {
		sum.add(&n)
	}
	return sum
}

func (t *totals) add(n *Count) {
	for reason, k := range n.Decided {
		t[reason] += k
	}
}

// sample is the totals at a time.
type sample struct {
	at time.Time
	totals
}

// rates are the samples of the last minutes. The zero rates are empty.
type rates struct {
	mu      sync.Mutex
	samples []sample // guarded by mu; the oldest first
}

// run takes samples until ctx ends.
func (rs *rates) run(ctx context.Context, count func() totals) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
			begin := time.Now()
			rs.add(sample{begin, count()})
			wait.Reset(max(step, idle*time.Since(begin)))
		}
	}
}

func (rs *rates) add(s sample) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.samples) > points {
		rs.samples = append(rs.samples[:0], rs.samples[1:]...)
	}
	rs.samples = append(rs.samples, s)
}

// rate is how often a reason came.
type rate struct {
	Reason string `json:"reason"`
	// Total counts since the start; the decisions of policies that are gone do not count.
	Total uint64 `json:"total"`
	// PerSecond are the rates of the last minutes, the oldest first. Now is the last of them.
	PerSecond []float64 `json:"perSecond"`
	Now       float64   `json:"now"`
}

// list returns the rates of the reasons that came.
func (rs *rates) list(now totals) (list []rate) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
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

// since returns how often a second a reason came between two samples. What policies counted
// that are gone is missing in the later one.
func (s *sample) since(before *sample, r policy.Reason) float64 {
	if s.totals[r] < before.totals[r] {
		return 0
	}
	return float64(s.totals[r]-before.totals[r]) / s.at.Sub(before.at).Seconds()
}
