package main

import (
	"context"
	"fmt"

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

// envoy measures requests through a real Envoy.
func (b *bench) envoy(ctx context.Context) error {
	calls := map[string]int{} // :: setup
	byName, err := b.compare(ctx, setups(), b.rounds, func(ctx context.Context, f running) (err error) {
		if f.service != nil {
			calls[f.name], err = f.calls(ctx)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.judgeEnvoy(byName)
	b.judgeCalls(calls)
	b.showCosts(byName)
	return nil
}

// every is all kinds.
func every() []kind { return []kind{withOrigin, preflight, withoutOrigin} }

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

// judgeCalls judges what the service is asked about requests without an Origin.
func (b *bench) judgeCalls(calls map[string]int) {
	s := b.report.goals("Calls without an Origin", "Calls to the service for 100 requests without an Origin, as Envoy counts them.")
	for _, setup := range setups() {
		n, asked := calls[setup.name]
		switch {
		case !asked:
		case setup.asksAlways():
			s.tell(setup.name, float64(n), "")
		default:
			s.judge(setup.name, float64(n), 0, "")
		}
	}
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
