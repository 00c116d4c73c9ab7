package main

import (
	"context"
	"io"
	"log/slog"
	"net/url"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/lines"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/metrics"
	"github.com/corsgate/corsgate/server/tracing"
)

// The values of --decision-log.
const (
	decisionsOff     = "off"
	decisionsSampled = "sampled"
	decisionsAll     = "all"
)

// observeConfig is what the flags say of how decisions are seen.
type observeConfig struct {
	decisionLog    *choice // nil is off
	decisionSample int
	traceEndpoint  string
	// stdout gets the decision log, and stderr the service's own; it is nil
	// if that is not written to a queue.
	stdout io.Writer
	stderr *lines.Queue
}

func (c *observeConfig) define(flags *pflag.FlagSet) {
	c.decisionLog = oneOf(decisionsOff, decisionsSampled, decisionsAll)
	flags.Var(c.decisionLog, "decision-log", "which decisions are written to standard output, as JSON lines")
	flags.IntVar(&c.decisionSample, "decision-log-sample", 100, "with --decision-log sampled, 1 of so many decisions is written")
	flags.StringVar(&c.traceEndpoint, "trace-endpoint", "", "`URL` of an OpenTelemetry collector, OTLP over gRPC, such as http://127.0.0.1:4317; empty means no tracing")
}

// check reports flags that nothing can be observed with.
func (c *observeConfig) check() error {
	if c.decisionLog != nil && c.decisionLog.value == decisionsSampled && c.decisionSample < 1 {
		return misused("name how many decisions one is taken of, such as 100", "--decision-log-sample %d is not a positive number", c.decisionSample)
	}
	if c.traceEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.traceEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return misused("write it as http://127.0.0.1:4317, or with https for TLS", "--trace-endpoint %q is not the URL of a collector", c.traceEndpoint)
	}
	return nil
}

// every says that each so manyth decision is written; 0 means none.
func (c *observeConfig) every() int {
	switch {
	case c.decisionLog == nil || c.decisionLog.value == decisionsOff:
		return 0
	case c.decisionLog.value == decisionsAll:
		return 1
	}
	return c.decisionSample
}

// observation is all that sees decisions. decisions and tracer are nil when
// they are off.
type observation struct {
	metrics   *metrics.Metrics
	denied    *denied.Tracker
	decisions *decisionlog.Log
	tracer    *tracing.Tracer
}

// build builds what observes; advice about denials goes by what served returns.
func (c *observeConfig) build(version string, served func() *policy.Set, log *slog.Logger) *observation {
	o := &observation{metrics: metrics.New(version), denied: &denied.Tracker{Logger: log, Advise: denied.Advise(served)}}
	if c.stderr != nil {
		o.metrics.CountedBy("corsgate_log_dropped_total", "The lines of the service's log that were dropped, for want of a reader.", c.stderr.Dropped)
	}
	if every := c.every(); every > 0 {
		o.decisions = decisionlog.New(c.stdout, every)
		o.decisions.Logger = log
		o.metrics.CountedBy("corsgate_decision_log_lines_total", "The decisions that were logged.", o.decisions.Written)
		o.metrics.CountedBy("corsgate_decision_log_dropped_total", "The decisions that were to be logged and were not, for want of a reader.", o.decisions.Dropped)
	}
	if c.traceEndpoint != "" {
		o.tracer = tracing.New(c.traceEndpoint, version, log)
	}
	return o
}

// attach has o see what s and r do; r prepares s with each set.
func (o *observation) attach(s *server.Server, r *live.Reloader) {
	observers := server.Observers{o.metrics, o.denied}
	if o.decisions != nil {
		observers = append(observers, o.decisions)
	}
	if o.tracer != nil {
		observers = append(observers, o.tracer)
		s.Interceptors = server.Interceptors{Stream: o.tracer.Stream, Unary: o.tracer.Unary}
	}
	s.Observer, s.Meter, r.Loaded = observers, o.metrics, o.metrics.Loaded
	r.Prepare = func(set *policy.Set) { o.prepare(set, s.Prepare) }
}

// prepare has encode prepare the answers of set, and then forgets the policies
// that set no longer has: they are served and seen until encode, which takes
// longest, is done.
func (o *observation) prepare(set *policy.Set, encode func(*policy.Set)) {
	encode(set)
	o.metrics.Prepare(set)
	o.denied.Prepare(set)
}

// run runs what writes, in g, until ctx ends.
func (o *observation) run(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return o.denied.Run(ctx) })
	if o.decisions != nil {
		g.Go(func() error { return o.decisions.Run(ctx) })
	}
	if o.tracer != nil {
		g.Go(func() error { return o.tracer.Run(ctx) })
	}
}
