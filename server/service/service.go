// Package service connects the parts of a whole corsgate: a source of policies, the gRPC
// listener that Envoy asks, and what observes decisions and shows them to operators. The
// command, the demo, tests and benchmarks all run it.
package service

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain/paste"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/admin/console"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/denied/advice"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/feed"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/metrics"
	"github.com/corsgate/corsgate/server/recent"
	"github.com/corsgate/corsgate/server/state"
	"github.com/corsgate/corsgate/server/tracing"
	"github.com/corsgate/corsgate/server/wire"
)

// Config says what a corsgate is made of.
type Config struct {
	// Source is where the policies come from; required.
	Source live.Source
	// Codes are those of the faults that it may have, see live.Fault.
	Codes []string
	// State keeps the last known good policies for a start while the source is away; nil
	// means that nothing does.
	State *state.Dir
	// StateFirst has these serve before the source is read: see live.Reloader.KeptFirst.
	StateFirst bool
	// GRPC is the listener that Envoy asks, with its open Listener, its TLS, limits
	// and drain; required. New fills in the rest.
	GRPC *server.Server
	// Admin is the listener for operators, with its open Listener; nil means none.
	// New fills in the rest.
	Admin *admin.Server
	// Metrics is an open listener for /metrics and /readyz alone; nil means none.
	Metrics net.Listener
	// ECDS delivers the compiled policies to Envoys, on the listener that Envoy asks; nil
	// means that nothing does. New fills in its logger, and tells Feed its stamps.
	ECDS *ecds.Server
	// Feed receives what Envoys decide by themselves, on the listener that Envoy asks; nil
	// means that nothing does. New fills in its observer and its logger.
	Feed *feed.Server
	// Sinks get each good set of policies, after those of the service itself.
	Sinks []live.Sink
	// More Watchers of each load, and more Observers of each decision, including those
	// that the feed reports.
	Watchers  []live.Watcher
	Observers server.Observers
	// Signals asks for a reload with each value, as for SIGHUP; nil means never.
	Signals <-chan os.Signal
	// Decisions gets one of Every decisions as JSON lines. If Every is 0, it gets none.
	Decisions io.Writer
	Every     int
	// TraceEndpoint is the URL of an OpenTelemetry collector; empty means none.
	TraceEndpoint string
	// Logger gets messages for operators; nil means that there are none. LogDropped counts
	// its lines that were dropped; nil means that nobody counts.
	Logger     *slog.Logger
	LogDropped func() uint64
	// Version is the program's version.
	Version string
	// Place is where the policies come from, Instance the name of this one in its fleet, and
	// Fleet returns how the instances stand that follow the same store; for the console. All
	// may be missing.
	Place    string
	Instance string
	Fleet    func(context.Context) (console.Fleet, error)
}

// Service is a corsgate that New has wired. It is safe for concurrent use.
type Service struct {
	// Reloader serves the policies that the source has now.
	Reloader *live.Reloader

	grpc    *server.Server
	admin   *admin.Server
	metrics *metrics.Metrics
	state   *state.Dir   // nil if nothing is kept
	scraped net.Listener // nil if /metrics has no listener of its own
	denied  *denied.Tracker
	recent  *recent.Decisions             // nil if there is no console
	runs    []func(context.Context) error // they write until the drain has ended
}

// New wires a service. Nothing runs yet; whoever does not call Run calls Close.
func New(c Config) *Service {
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	handler := &wire.Handler{}
	s := &Service{grpc: c.GRPC, admin: c.Admin, metrics: metrics.New(c.Version)}
	s.denied = &denied.Tracker{Logger: c.Logger, Advise: advice.From(handler.Set)}
	s.runs = append(s.runs, s.denied.Run)
	s.grpc.Handler, s.grpc.Meter, s.grpc.Logger = handler, s.metrics, c.Logger
	s.Reloader = &live.Reloader{
		Source: c.Source, KeptFirst: c.StateFirst, Signals: c.Signals, Logger: c.Logger, Version: c.Version,
		Sinks:    append([]live.Sink{handler, s.metrics, s.denied}, c.Sinks...),
		Watchers: append([]live.Watcher{s.metrics}, c.Watchers...),
	}
	s.metrics.MayRefuse(c.Codes...)
	s.follow(c.Source, c.State)
	if s.admin != nil {
		s.recent = &recent.Decisions{}
		s.Reloader.Sinks = append(s.Reloader.Sinks, s.recent)
		s.runs = append(s.runs, s.recent.Run)
	}
	asked, compiled := s.observers(&c)
	handler.Observer = append(asked, c.Observers...)
	if c.Feed != nil {
		s.take(c.Feed, append(compiled, c.Observers...), c.Logger)
	}
	if c.ECDS != nil {
		s.deliver(c.ECDS, c.Logger)
	}
	if c.Feed != nil && c.ECDS != nil {
		c.ECDS.Stamped = c.Feed.Stamped
	}
	s.serveMetrics(c.Metrics, c.Logger)
	if s.admin != nil {
		s.admin.Reloader, s.admin.Ready, s.admin.Misused, s.admin.Logger = s.Reloader, s.grpc.Ready, s.grpc.Misused, c.Logger
		s.admin.Set, s.admin.Metrics = handler.Set, s.metrics.Handler(c.Logger)
		s.admin.Denied = func() any { return s.denied.List() }
		s.addConsole(&c, handler.Set)
	}
	return s
}

// addConsole adds the console to the admin listener.
func (s *Service) addConsole(config *Config, set func() *policy.Set) {
	c := console.Config{
		Place: config.Place, Instance: config.Instance, Fleet: config.Fleet,
		Status: s.Reloader.Status, Set: set, Counts: s.counts, Denied: s.denied.List, Recent: s.recent, Read: paste.Any, Work: s.admin.Work,
	}
	if s.admin.Envoys != nil {
		c.Envoys = s.admin.Envoys.Envoys
	}
	page := console.New(c)
	s.admin.Console = page
	s.runs = append(s.runs, page.Run)
}

// counts yields what each policy has decided.
func (s *Service) counts() iter.Seq[console.Count] {
	return func(yield func(console.Count) bool) {
		for n := range s.metrics.Counts() {
			if !yield(console.Count(n)) {
				return
			}
		}
	}
}

// follow has what serves kept, and adds the metrics of its age.
func (s *Service) follow(source live.Source, kept *state.Dir) {
	if c, ok := source.(live.Confirmer); ok {
		s.metrics.AgeOf("corsgate_source_age_seconds", "How long ago the source of the policies was last found to have the same content; if never, since the start.", c.Confirmed)
	}
	if kept == nil {
		return
	}
	s.state, s.Reloader.Keeper = kept, kept
	s.runs = append(s.runs, kept.Run)
	s.metrics.AgeOf("corsgate_state_age_seconds", "How long ago the last known good policies were last written; if never, since the start.", kept.Kept)
	s.metrics.CountedBy("corsgate_state_write_failures_total", "How often the last known good policies could not be written.", kept.Failures)
}

// joined is a sink that speaks with Envoys on the listener that they ask.
type joined interface {
	live.Sink
	Service() (desc *grpc.ServiceDesc, impl any)
}

func (s *Service) join(j joined) {
	s.Reloader.Sinks = append(s.Reloader.Sinks, j)
	desc, impl := j.Service()
	s.grpc.Services = append(s.grpc.Services, server.Service{Desc: desc, Impl: impl})
}

// deliver adds the delivery of compiled policies, and its metrics.
func (s *Service) deliver(e *ecds.Server, log *slog.Logger) {
	e.Logger = log
	s.join(e)
	for _, state := range ecds.States() {
		s.metrics.Envoys(string(state), func() int { return e.Count(state) })
	}
	if s.admin != nil {
		s.admin.Envoys = e
	}
}

// take adds the feed of what Envoys decide. The feed gets each set before Envoys do.
func (s *Service) take(f *feed.Server, observer server.Observer, log *slog.Logger) {
	f.Observer, f.Logger = observer, log
	s.join(f)
	for _, o := range feed.Outcomes() {
		s.metrics.FeedEntries(o.String(), func() uint64 { return f.Count(o) })
	}
	s.metrics.CountedBy("corsgate_feed_refused_batches_total", "The batches of decisions that were refused as a whole.", f.RefusedBatches)
}

// serveMetrics serves /metrics on a listener of its own, if there is one.
func (s *Service) serveMetrics(l net.Listener, log *slog.Logger) {
	if l == nil {
		return
	}
	s.scraped = l
	s.runs = append(s.runs, func(ctx context.Context) error {
		return admin.ServeMetrics(ctx, l, s.metrics.Handler(log), s.Reloader, s.grpc.Ready, log)
	})
}

// observers makes the observers of decisions: of those that the service takes, and of those
// that Envoys take by themselves.
func (s *Service) observers(c *Config) (asked, compiled server.Observers) {
	asked, compiled = server.Observers{s.metrics, s.denied}, server.Observers{s.metrics.Compiled(), s.denied}
	if s.recent != nil {
		asked, compiled = append(asked, s.recent), append(compiled, s.recent.Compiled())
	}
	if c.LogDropped != nil {
		s.metrics.CountedBy("corsgate_log_dropped_total", "The lines of the service's log that were dropped, since nobody read them.", c.LogDropped)
	}
	if c.Every > 0 {
		log := decisionlog.New(c.Decisions, c.Every)
		log.Logger = c.Logger
		s.metrics.CountedBy("corsgate_decision_log_lines_total", "The decisions that were logged.", log.Written)
		s.metrics.CountedBy("corsgate_decision_log_dropped_total", "The decisions that should have been logged and were dropped, since nobody read the log.", log.Dropped)
		asked, compiled, s.runs = append(asked, log), append(compiled, log.Compiled()), append(s.runs, log.Run)
	}
	if c.TraceEndpoint != "" {
		tracer := tracing.New(c.TraceEndpoint, c.Version, c.Logger)
		s.grpc.Interceptors = server.Interceptors{Stream: tracer.Stream, Unary: tracer.Unary}
		asked, s.runs = append(asked, tracer), append(s.runs, tracer.Run)
	}
	return asked, compiled
}

// Load loads the policies before Run, so that a service does not start without
// any. The error is a *live.LoadError.
func (s *Service) Load(ctx context.Context) error { return s.Reloader.Load(ctx) }

// Address returns where Envoy asks.
func (s *Service) Address() net.Addr { return s.grpc.Listener.Addr() }

// Close closes the listeners and the state of a service that is not run.
func (s *Service) Close() error {
	err := s.grpc.Listener.Close()
	if s.admin != nil {
		err = errors.Join(err, s.admin.Listener.Close())
	}
	if s.scraped != nil {
		err = errors.Join(err, s.scraped.Close())
	}
	if s.state != nil {
		err = errors.Join(err, s.state.Close())
	}
	return err
}

// Run runs the service until ctx ends, and returns when it has drained. It may be
// called once.
func (s *Service) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	afterDrain, drained := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return s.Reloader.Run(ctx) })              // serves what the source has now
	g.Go(func() error { defer drained(); return s.grpc.Run(ctx) }) // answers Envoy
	if s.admin != nil {
		g.Go(func() error { return s.admin.Run(afterDrain) }) // answers people and health checks, while it drains too
	}
	for _, run := range s.runs {
		g.Go(func() error { return run(afterDrain) }) // writes what was decided, to the last request
	}
	return g.Wait()
}
