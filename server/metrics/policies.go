package metrics

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
)

const (
	reasons = policy.NumReasons
	kinds   = 2
)

// kindWords are the values of the label kind.
var kindWords = [kinds]string{"request", "preflight"}

// The values of the label decided.
const (
	decidedAsked    = "asked"
	decidedCompiled = "compiled"
)

// reasonCounts are counters by kind and reason.
type reasonCounts [kinds][reasons]atomic.Uint64

func (c *reasonCounts) add(preflight bool, r policy.Reason) {
	kind := 0
	if preflight {
		kind = 1
	}
	c[kind][r].Add(1)
}

// counts are the counters of one policy.
type counts struct {
	asked, compiled, shadow, differs reasonCounts
	upstream                         atomic.Uint64
}

// policies are the counters of all policies that are served. A request finds
// its own without a lock, and makes none.
type policies struct {
	mu     sync.Mutex // held by whoever replaces byName
	byName atomic.Pointer[map[string]*counts]
}

// of returns the counters of the policy of that name. The empty name is for decisions
// without a policy.
func (p *policies) of(name string) *counts {
	if byName := p.byName.Load(); byName != nil {
		if c := (*byName)[name]; c != nil {
			return c
		}
	}
	return p.add(name)
}

// add adds counters for a policy that was not prepared, such as one of an older set. Only
// requests that are still under way need it.
func (p *policies) add(name string) *counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := map[string]*counts{}
	if byName := p.byName.Load(); byName != nil {
		if c := (*byName)[name]; c != nil {
			return c
		}
		next = maps.Clone(*byName)
	}
	c := &counts{}
	next[name] = c
	p.byName.Store(&next)
	return c
}

// keep makes counters for these names, and drops all others.
func (p *policies) keep(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var have map[string]*counts
	if byName := p.byName.Load(); byName != nil {
		have = *byName
	}
	next := make(map[string]*counts, len(names)+1)
	for _, name := range append([]string{""}, names...) {
		c := have[name]
		if c == nil {
			c = &counts{}
		}
		next[name] = c
	}
	p.byName.Store(&next)
}

// Prepare implements live.Sink: it makes the counters of a set's policies, so that
// no request has to, and forgets those of policies that are gone.
func (m *Metrics) Prepare(set *policy.Set) (commit func(), err error) {
	return func() { m.policies.keep(set.Names()) }, nil
}

// Compiled returns an observer for the decisions that Envoys take by themselves.
func (m *Metrics) Compiled() server.Observer { return compiledDecisions{m} }

type compiledDecisions struct{ *Metrics }

// Observe implements server.Observer. Envoys do not decide by themselves about requests
// that a policy in shadow covers, so there is no shadow to count.
func (m compiledDecisions) Observe(_ context.Context, _ *policy.Request, d *policy.Decision) {
	m.policies.of(d.Policy).compiled.add(d.Preflight, d.Reason)
}

// Observe implements server.Observer.
func (m *Metrics) Observe(_ context.Context, _ *policy.Request, d *policy.Decision) {
	m.policies.of(d.Policy).asked.add(d.Preflight, d.Reason)
	if d.Shadow.Answer == nil {
		return
	}
	shadow := m.policies.of(d.Shadow.Policy)
	shadow.shadow.add(d.Preflight, d.Shadow.Reason)
	if d.ShadowDiffers {
		shadow.differs.add(d.Preflight, d.Shadow.Reason)
	}
}

var (
	byReason      = []string{"policy", "kind", "reason"}
	decisionsDesc = prometheus.NewDesc("corsgate_decisions_total",
		"The decisions of the policies in force, by whether corsgate was asked or Envoy decided by itself; policy is empty if there is none.",
		append([]string{"decided"}, byReason...), nil)
	shadowDesc = prometheus.NewDesc("corsgate_shadow_decisions_total",
		"The decisions of the policies in shadow.", byReason, nil)
	differsDesc = prometheus.NewDesc("corsgate_shadow_differences_total",
		"The decisions of the policies in shadow that would have changed the answer.", byReason, nil)
	upstreamDesc = prometheus.NewDesc("corsgate_upstream_cors_total",
		"In two-phase, the responses with CORS headers of the upstream's own.", []string{"policy"}, nil)
)

// Describe implements prometheus.Collector.
func (p *policies) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{decisionsDesc, shadowDesc, differsDesc, upstreamDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector. It leaves out what is zero: most
// policies never have most reasons.
func (p *policies) Collect(out chan<- prometheus.Metric) {
	byName := p.byName.Load()
	if byName == nil {
		return
	}
	for name, c := range *byName {
		c.asked.collect(out, decisionsDesc, decidedAsked, name)
		c.compiled.collect(out, decisionsDesc, decidedCompiled, name)
		c.shadow.collect(out, shadowDesc, name)
		c.differs.collect(out, differsDesc, name)
		if n := c.upstream.Load(); n > 0 {
			out <- counter(upstreamDesc, n, name)
		}
	}
}

// collect collects the counters; labels are those before the kind.
func (c *reasonCounts) collect(out chan<- prometheus.Metric, desc *prometheus.Desc, labels ...string) {
	for kind := range c {
		for reason := range c[kind] {
			if n := c[kind][reason].Load(); n > 0 {
				out <- counter(desc, n, append(slices.Clone(labels), kindWords[kind], policy.Reason(reason).String())...)
			}
		}
	}
}

func counter(desc *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}
