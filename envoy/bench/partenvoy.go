package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// setup is a way to put CORS into Envoy.
type setup struct {
	name    string
	build   func(b *bench) (parts, error)
	service func(b *bench) *process // nil means none
	kinds   []kind
}

// The names of the setups that others are compared with.
const (
	noFilter   = "no filter"
	nativeCORS = "native cors filter"
	noopTCP    = "no-op ext_proc, TCP"
)

// setups are all setups that are measured.
func setups() []setup {
	tcp := func(b *bench) *process { return b.corsgateTCP }
	unix := func(b *bench) *process { return b.corsgateUDS }
	noop := func(p func(b *bench) *process) func(b *bench) (parts, error) {
		return func(b *bench) (parts, error) { return withNoop(b.upstream.address, p(b).address) }
	}
	noopOnTCP, noopOnUnix := func(b *bench) *process { return b.noopTCP }, func(b *bench) *process { return b.noopUDS }
	leave := envoy.WithoutOriginLeave
	return []setup{
		{noFilter, func(b *bench) (parts, error) { return plain(b.upstream.address, nil) }, nil, every()},
		{nativeCORS, func(b *bench) (parts, error) { return withNative(b.upstream.address) }, nil, every()},
		{noopTCP, noop(noopOnTCP), noopOnTCP, every()},
		{"no-op ext_proc, Unix socket", noop(noopOnUnix), noopOnUnix, []kind{withOrigin}},
		with("one-trip, TCP", envoy.Config{Profile: envoy.OneTrip}, tcp, every()...),
		with("one-trip, Unix socket", envoy.Config{Profile: envoy.OneTrip}, unix, withOrigin, preflight),
		with("one-trip, TCP, without corsgate.static", envoy.Config{Profile: envoy.OneTrip, WithoutOrigin: leave}, tcp, withoutOrigin),
		with("one-trip, TCP, by route", envoy.Config{Profile: envoy.OneTrip, MatchBy: envoy.ByRoute}, tcp, every()...),
		with("one-trip, TCP, by route, without corsgate.static", envoy.Config{Profile: envoy.OneTrip, MatchBy: envoy.ByRoute, WithoutOrigin: leave}, tcp, withoutOrigin),
		with("two-phase, TCP", envoy.Config{Profile: envoy.TwoPhase}, tcp, every()...),
		with("two-phase, Unix socket", envoy.Config{Profile: envoy.TwoPhase}, unix, withOrigin),
		with("ext-authz, TCP", envoy.Config{Profile: envoy.ExtAuthz}, tcp, every()...),
		with("ext-authz, Unix socket", envoy.Config{Profile: envoy.ExtAuthz}, unix, withOrigin),
	}
}

// with is corsgate behind the generated configuration.
func with(name string, c envoy.Config, service func(b *bench) *process, kinds ...kind) setup {
	return setup{name, func(b *bench) (parts, error) {
		c.Upstream, c.Service = b.upstream.address, service(b).address
		return generated(c)
	}, service, kinds}
}

// cost is the CPU time that one request takes, in microseconds.
type cost struct{ envoy, upstream, service float64 }

// proxy is what CORS costs: Envoy and the service.
func (c cost) proxy() float64 { return c.envoy + c.service }

// all includes the upstream.
func (c cost) all() float64 { return c.proxy() + c.upstream }

// running is a setup with its Envoy.
type running struct {
	setup
	*front
}

// envoy measures requests through a real Envoy.
func (b *bench) envoy(ctx context.Context) (err error) {
	fronts, err := b.startFronts(ctx, setups())
	defer func() { err = errors.Join(err, stopFronts(fronts)) }()
	if err != nil {
		return err
	}
	var ls loads
	defer func() { err = errors.Join(err, ls.stop()) }()
	var cases []sample.Case[cost]
	for _, f := range fronts {
		for _, k := range f.kinds {
			c, err := b.requestCase(ctx, &ls, f, k, "")
			if err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			cases = append(cases, c)
		}
	}
	byName, err := measure(ctx, b.rounds, cases)
	if err != nil {
		return err
	}
	b.judgeEnvoy(byName)
	if err := b.judgeCalls(ctx, fronts); err != nil {
		return err
	}
	b.showCosts(byName)
	return nil
}

// startFronts starts an Envoy for each setup; after an error, those that run
// are returned nevertheless.
func (b *bench) startFronts(ctx context.Context, list []setup) (fronts []running, err error) {
	for _, s := range list {
		p, err := s.build(b)
		if err != nil {
			return fronts, fmt.Errorf("%s: %w", s.name, err)
		}
		f, err := startFront(ctx, b.binary, p.bootstrap)
		if err != nil {
			return fronts, fmt.Errorf("%s: %w", s.name, err)
		}
		fronts = append(fronts, running{s, f})
	}
	return fronts, nil
}

// stopFronts stops them and waits for all.
func stopFronts(fronts []running) error {
	var errs []error
	for _, f := range fronts {
		errs = append(errs, f.stop())
	}
	return errors.Join(errs...)
}

// every is all kinds.
func every() []kind { return []kind{withOrigin, preflight, withoutOrigin} }

// requestConnections are how many requests are under way at a time.
const requestConnections = 8

// requestCase is requests of a kind through f, to a path of the upstream.
func (b *bench) requestCase(ctx context.Context, ls *loads, f running, k kind, path string) (c sample.Case[cost], err error) {
	total := pick(b, 800, 40)
	job := requestsJob{
		Address: f.address, Request: k.request(path), Status: f.status(k),
		Connections: requestConnections, Warm: total / 10, Total: total,
	}
	pids := []int{f.pid, b.upstream.pid}
	if f.service != nil {
		pids = append(pids, f.service(b).pid)
	}
	l, err := ls.add(ctx, "play-requests", job, total, pids...)
	c.Name = costName(f.name, k.name+path)
	c.Run = func(context.Context) (cost, error) {
		spent, err := l.run()
		if err != nil {
			return cost{}, err
		}
		return cost{spent[0], spent[1], slices.Concat(spent[2:], []float64{0})[0]}, nil
	}
	return c, err
}

// status is what a request of that kind is answered with: the native filter
// answers preflights with 200.
func (s setup) status(k kind) int {
	if s.name == nativeCORS && k.method == http.MethodOptions {
		return http.StatusOK
	}
	return k.upstreamStatus
}

func costName(setup, kind string) string { return setup + ": " + kind }

// judgeEnvoy compares what has a goal.
func (b *bench) judgeEnvoy(byName map[string][]cost) {
	s := b.report.goals("Through Envoy", "CPU a request of Envoy (one worker) and the service together. Requests without an Origin and preflights include the upstream's where it is named.")
	ratio := func(k kind, this, that string, of func(cost) float64) float64 {
		return sample.Ratio(column(byName[costName(this, k.name)], of), column(byName[costName(that, k.name)], of))
	}
	for _, this := range []string{"one-trip, TCP", "ext-authz, TCP"} {
		s.judge(this+", with Origin / no-op ext_proc", ratio(withOrigin, this, noopTCP, cost.proxy), 0.85, "")
	}
	for _, this := range []string{"one-trip, Unix socket", "ext-authz, Unix socket"} {
		s.judge(this+", with Origin / no-op ext_proc", ratio(withOrigin, this, "no-op ext_proc, Unix socket", cost.proxy), 0.85, "")
	}
	s.tell("two-phase, TCP, with Origin / no-op ext_proc", ratio(withOrigin, "two-phase, TCP", noopTCP, cost.proxy), "")
	s.tell("native cors filter, with Origin / one-trip, TCP", ratio(withOrigin, nativeCORS, "one-trip, TCP", cost.proxy), "")
	for _, limit := range []struct {
		setup string
		limit float64
	}{
		{"one-trip, TCP", 1.15},
		{"one-trip, TCP, without corsgate.static", 1.15},
		{"one-trip, TCP, by route", 1.05},
		{"one-trip, TCP, by route, without corsgate.static", 1.05},
		{"ext-authz, TCP", 1.15},
	} {
		s.judge(limit.setup+", without Origin / no filter", ratio(withoutOrigin, limit.setup, noFilter, cost.proxy), limit.limit, "")
	}
	for _, this := range []string{"one-trip, TCP", "one-trip, Unix socket", "two-phase, TCP", "ext-authz, TCP"} {
		s.judge(this+", preflight / one that the upstream serves, its CPU included", ratio(preflight, this, noFilter, cost.all), 1.15, "")
	}
}

// judgeCalls counts what the service is asked about requests without an Origin,
// by Envoy's own counter.
func (b *bench) judgeCalls(ctx context.Context, fronts []running) error {
	s := b.report.goals("Calls without an Origin", "Calls to the service for 100 requests without an Origin, as Envoy counts them.")
	for _, f := range fronts {
		if f.service == nil {
			continue
		}
		calls, err := f.calls(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if f.asksAlways() {
			s.tell(f.name, float64(calls), "")
			continue
		}
		s.judge(f.name, float64(calls), 0, "")
	}
	return nil
}

// showCosts shows every measurement.
func (b *bench) showCosts(byName map[string][]cost) {
	columns := []string{"µs a request: Envoy + service + upstream"}
	for _, k := range every() {
		columns = append(columns, k.name)
	}
	s := b.report.section("CPU a request", "The native filter works in Envoy's own process, so it is cheaper for requests with an Origin.", columns...)
	for _, setup := range setups() {
		cells := []string{setup.name}
		for _, k := range every() {
			list := byName[costName(setup.name, k.name)]
			if list == nil {
				cells = append(cells, "")
				continue
			}
			part := func(of func(cost) float64) string { return number(medianOf(list, of)) }
			cells = append(cells, fmt.Sprintf("%s + %s + %s",
				part(func(c cost) float64 { return c.envoy }), part(func(c cost) float64 { return c.service }), part(func(c cost) float64 { return c.upstream })))
		}
		s.row(cells...)
	}
}
