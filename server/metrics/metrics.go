package metrics

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/wire"
)

// answerBuckets are in seconds. An answer takes some ten microseconds; the last
// buckets are where Envoy's message timeouts are.
var answerBuckets = []float64{
	10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2,
}

// results are the values of the label of corsgate_loads_total.
const (
	resultChanged   = "changed"
	resultUnchanged = "unchanged"
	resultRefused   = "refused"
)

// Metrics are the metrics of one service. New makes them; they are safe for
// concurrent use. They implement server.Observer and server.Meter.
type Metrics struct {
	registry *prometheus.Registry
	policies policies

	streams      prometheus.Gauge
	first        [wire.Kinds]prometheus.Counter  // :: wire.Kind
	answers      [wire.Kinds]prometheus.Observer // :: wire.Kind
	passThroughs [server.PassThroughs]prometheus.Counter
	misuses      [server.Misuses]prometheus.Counter

	loads       *prometheus.CounterVec // by result
	refused     *prometheus.CounterVec // by code
	refuses     *prometheus.GaugeVec   // by code
	refusal     string                 // code of the last load if that was refused; loads come one by one
	loadSeconds prometheus.Gauge
	loadedAt    prometheus.Gauge
	lastGood    prometheus.Gauge
	generation  prometheus.Gauge
	count       prometheus.Gauge
	good        prometheus.Gauge
	hash        prometheus.Gauge
	revision    prometheus.Gauge
	fromState   prometheus.Gauge
}

// New returns metrics that are all zero. version is the version of the program.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &m.policies)
	m.gauge("corsgate_build_info", "Always 1; the label says which corsgate this is.", prometheus.Labels{"version": version}).Set(1)
	m.wireMetrics()
	m.loadMetrics()
	return m
}

// MayRefuse shows the refusals with these codes from 0 on. What counts the first one needs
// the 0 before.
func (m *Metrics) MayRefuse(codes ...string) {
	for _, code := range codes {
		m.refused.WithLabelValues(code)
		m.refuses.WithLabelValues(code)
	}
}

func (m *Metrics) wireMetrics() {
	m.streams = m.gauge("corsgate_active_streams", "The ext_proc streams that are open now.", nil)
	first := m.counters("corsgate_first_messages_total", "The ext_proc streams by their first message.", "message")
	answers := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "corsgate_answer_duration_seconds",
		Help:    "How long answers took, from the complete question until the answer was given to the transport.",
		Buckets: answerBuckets,
	}, []string{"phase"})
	m.registry.MustRegister(answers)
	for k := range wire.Kinds {
		if k != wire.KindCheck { // which is a call, not a stream
			m.first[k] = first.WithLabelValues(k.String())
		}
		if k != wire.KindUnknown { // which is not answered
			m.answers[k] = answers.WithLabelValues(k.String())
		}
	}
	closes := m.counters("corsgate_pass_through_closes_total",
		"The ext_proc streams that corsgate ended so that Envoy goes on without it.", "cause")
	for p := range server.PassThroughs {
		m.passThroughs[p] = closes.WithLabelValues(p.String())
	}
	misused := m.counters("corsgate_misused_streams_total", "The ext_proc streams whose processing_mode makes the answers useless.", "kind")
	for u := range server.Misuses {
		m.misuses[u] = misused.WithLabelValues(u.String())
	}
}

func (m *Metrics) loadMetrics() {
	m.loads = m.counters("corsgate_loads_total", "The loads of the policies by their result.", "result")
	for _, result := range []string{resultChanged, resultUnchanged, resultRefused} {
		m.loads.WithLabelValues(result)
	}
	m.refused = m.counters("corsgate_release_refused_total", "The loads that were refused, by the reason.", "code")
	m.refuses = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "corsgate_last_load_refused", Help: "1 for the reason for which the last load was refused; 0 for each if it was accepted.",
	}, []string{"code"})
	m.registry.MustRegister(m.refuses)
	m.MayRefuse(live.CodePolicies, live.CodeUnreadable, live.CodeRegressed)
	m.loadSeconds = m.gauge("corsgate_last_load_duration_seconds", "How long the last load took, even if it was refused.", nil)
	m.lastGood = m.gauge("corsgate_last_load_success_timestamp_seconds", "When a load was last accepted, even if nothing had changed.", nil)
	m.loadedAt = m.gauge("corsgate_set_loaded_timestamp_seconds", "When the set of policies that serves now was loaded.", nil)
	m.generation = m.gauge("corsgate_set_generation", "How many sets of policies have served; 0 before the first.", nil)
	m.good = m.gauge("corsgate_last_load_successful", "1 if the last load was accepted, 0 if it was refused and the set before it still serves.", nil)
	m.hash = m.gauge("corsgate_set_hash", "The first 48 bits of the served set's hash: replicas with the same policies have the same.", nil)
	m.count = m.gauge("corsgate_policies", "How many policies serve now.", nil)
	m.revision = m.gauge("corsgate_policy_revision", "The revision of the release that serves now; 0 if its source has no releases.", nil)
	m.fromState = m.gauge("corsgate_served_from_state", "1 while the last known good policies of before the start serve, because the source had no good ones since.", nil)
}

func (m *Metrics) gauge(name, help string, constant prometheus.Labels) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: constant})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) counters(name, help, label string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	m.registry.MustRegister(v)
	return v
}

// CountedBy adds a counter with the value that count returns. That value must never
// decrease. Call it before the first scrape, and once for a name.
func (m *Metrics) CountedBy(name, help string, count func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
		func() float64 { return float64(count()) }))
}

// AgeOf adds a gauge of the seconds since a time that since returns; if that is zero,
// since now. Call it before the first scrape, and once for a name.
func (m *Metrics) AgeOf(name, help string, since func() time.Time) {
	start := time.Now()
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		if t := since(); !t.IsZero() {
			return time.Since(t).Seconds()
		}
		return time.Since(start).Seconds()
	}))
}

// Envoys adds a gauge of the Envoys in a state, which count counts. Call it before the
// first scrape, and once for a state.
func (m *Metrics) Envoys(state string, count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "corsgate_envoys", Help: "The Envoys that ask for compiled policies, by whether they have them.",
		ConstLabels: prometheus.Labels{"state": state},
	}, func() float64 { return float64(count()) }))
}

// FeedEntries adds a counter of the entries of the feed with an outcome. Call it before
// the first scrape, and once for an outcome.
func (m *Metrics) FeedEntries(outcome string, count func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "corsgate_feed_entries_total", Help: "The decisions that Envoys have reported, by the result of deciding them again.",
		ConstLabels: prometheus.Labels{"outcome": outcome},
	}, func() float64 { return float64(count()) }))
}

// Gatherer returns what gathers the metrics.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler returns the page that Prometheus reads. log gets why a metric could
// not be shown.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// Loading implements live.Watcher.
func (m *Metrics) Loading() (loaded func(live.Load)) { return m.loaded }

func (m *Metrics) loaded(l live.Load) {
	if l.Cut {
		return // it says nothing about the policies
	}
	m.loads.WithLabelValues(result(l)).Inc()
	m.loadSeconds.Set(l.Took.Seconds())
	m.generation.Set(float64(l.Status.Generation))
	m.count.Set(float64(l.Status.Policies))
	m.revision.Set(float64(l.Status.Release.Revision))
	m.fromState.Set(number(l.Status.ServedFrom == live.FromState))
	m.good.Set(number(l.Err == nil))
	m.refuse(l.Err)
	if l.Err == nil {
		m.lastGood.Set(seconds(l.At))
	}
	if l.Status.Ready {
		m.hash.Set(hashNumber(l.Status.Hash))
		m.loadedAt.Set(seconds(l.Status.LoadedAt))
	}
}

// refuse notes why a load was refused, if it was. Of two reasons, the new one is there
// before the old one goes, so that no scrape finds none.
func (m *Metrics) refuse(err error) {
	before := m.refusal
	m.refusal = ""
	if refused, ok := errors.AsType[*live.LoadError](err); ok {
		m.refusal = refused.Code()
		m.refused.WithLabelValues(m.refusal).Inc()
		m.refuses.WithLabelValues(m.refusal).Set(1)
	}
	if before != "" && before != m.refusal {
		m.refuses.WithLabelValues(before).Set(0)
	}
}

// number is what Prometheus takes for a truth.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func result(l live.Load) string {
	switch {
	case l.Err != nil:
		return resultRefused
	case l.Changed:
		return resultChanged
	}
	return resultUnchanged
}

// hashNumber returns the beginning of a hexadecimal hash, as a number that a float64
// represents exactly.
func hashNumber(hash string) float64 {
	n, err := strconv.ParseUint(hash[:min(len(hash), 12)], 16, 64)
	if err != nil {
		return 0 // no set yet
	}
	return float64(n)
}

// seconds is t as Prometheus writes times.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// StreamStarted implements server.Meter.
func (m *Metrics) StreamStarted() { m.streams.Inc() }

// StreamEnded implements server.Meter.
func (m *Metrics) StreamEnded() { m.streams.Dec() }

// FirstMessage implements server.Meter.
func (m *Metrics) FirstMessage(k wire.Kind) { m.first[k].Inc() }

// Answered implements server.Meter.
func (m *Metrics) Answered(k wire.Kind, took time.Duration) { m.answers[k].Observe(took.Seconds()) }

// PassedThrough implements server.Meter.
func (m *Metrics) PassedThrough(p server.PassThrough) { m.passThroughs[p].Inc() }

// Misused implements server.Meter.
func (m *Metrics) Misused(u server.Misuse) { m.misuses[u].Inc() }

// UpstreamCORS implements server.Meter.
func (m *Metrics) UpstreamCORS(policy string) { m.policies.of(policy).upstream.Add(1) }
