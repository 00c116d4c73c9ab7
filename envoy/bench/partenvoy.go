package main

import (
	"context"
	"fmt"
	"math"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// cost is the CPU time that one request takes, in microseconds.
type cost struct{ envoy, upstream, service float64 }

// proxy is what CORS costs: Envoy and the service.
func (c cost) proxy() float64 { return c.envoy + c.service }

// all includes the upstream.
func (c cost) all() float64 { return c.proxy() + c.upstream }

// envoy measures requests through a real Envoy.
func (b *bench) envoy(ctx context.Context) (err error) {
	calls := map[string]int{} // :: setup
	list := pick(b, append(setups(), sized()...), setups())
	b.costs, err = b.compare(ctx, list, b.rounds, func(ctx context.Context, f running) (err error) {
		if f.service != nil {
			calls[f.name], err = f.calls(ctx)
		}
		return err
	})
	if err != nil {
		return err
	}
	b.judgeEnvoy()
	b.judgeCalls(list, calls)
	b.showCosts(list)
	return nil
}

func costName(setup, kind string) string { return setup + ": " + kind }

// comparison compares a setup with another, for requests of a kind.
type comparison struct {
	this string
	kind kind
	that string
	goal float64 // of the instructions; 0 means none
	// upstream says that the CPU time beside the ratio includes the upstream's.
	upstream bool
}

// comparisons are what is compared through Envoy.
func comparisons() (list []comparison) {
	add := func(this string, k kind, that string, goal float64) {
		list = append(list, comparison{this: this, kind: k, that: that, goal: goal})
	}
	for _, this := range []string{"one-trip, TCP", "ext-authz, TCP"} {
		add(this, allowed, noopTCP, 0.85)
	}
	for _, this := range []string{"one-trip, Unix socket", "ext-authz, Unix socket"} {
		add(this, allowed, "no-op ext_proc, Unix socket", 0.85)
	}
	add("two-phase, TCP", allowed, noopTCP, 0)
	add(nativeCORS, allowed, "one-trip, TCP", 0)
	add("one-trip, TCP", withoutOrigin, noFilter, 1.15)
	add("one-trip, TCP, without corsgate.static", withoutOrigin, noFilter, 1.15)
	add("one-trip, TCP, by route", withoutOrigin, noFilter, 1.05)
	add("one-trip, TCP, by route, without corsgate.static", withoutOrigin, noFilter, 1.05)
	add("ext-authz, TCP", withoutOrigin, noFilter, 1.15)
	for _, this := range []string{"one-trip, TCP", "one-trip, Unix socket", "two-phase, TCP", "ext-authz, TCP"} {
		list = append(list, comparison{this, preflight, noFilter, 1.15, true})
	}
	goals := map[string]float64{allowed.name: 1.17, denied.name: 1.17, withoutOrigin.name: 1.09, preflight.name: 0.78, deniedPreflight.name: 0.70}
	for _, k := range every() {
		add(noTrip, k, noFilter, goals[k.name])
	}
	for _, k := range every() {
		add(nativeCORS, k, noFilter, 0)
	}
	for _, k := range every() {
		add(originsName(noTrip, 100_000), k, originsName(noTrip, 10), 1.05)
	}
	for _, k := range []kind{allowed, preflight} {
		add(originsName(nativeCORS, 100_000), k, originsName(nativeCORS, 10), 0)
	}
	for _, k := range every() {
		add(policiesName(noTrip, 100), k, policiesName(noTrip, 1), 1.1)
	}
	return list
}

// judgeEnvoy compares the setups by Envoy's instructions, for which there are goals, and
// by CPU time.
func (b *bench) judgeEnvoy() {
	if b.compared == nil {
		b.compared = b.report.section("Through Envoy", "Envoy's instructions a request, by callgrind, decide what is met: the same requests take about the same number of them on every machine. They are those of Envoy alone; a preflight without a filter is one that the upstream serves. CPU time, with its quartiles, is of Envoy and the service together.",
			"what", "instructions", "goal", "", "CPU time")
	}
	b.compared.rows = nil
	for _, c := range comparisons() {
		b.compared.judgeBeside(c.String(), b.ratio(c), c.goal, b.beside(c))
	}
}

// String says what is compared.
func (c comparison) String() string {
	text := c.this + ", " + c.kind.name + " / " + c.that
	if c.upstream {
		text += " (CPU time: with the upstream's)"
	}
	return text
}

// ratio returns the ratio of the instructions, or NaN if they were not counted.
func (b *bench) ratio(c comparison) float64 {
	this, that := b.counts[costName(c.this, c.kind.name)], b.counts[costName(c.that, c.kind.name)]
	if this == 0 || that == 0 {
		return math.NaN()
	}
	return this / that
}

// beside returns the ratio of CPU time, with its quartiles.
func (b *bench) beside(c comparison) string {
	this, that := b.costs[costName(c.this, c.kind.name)], b.costs[costName(c.that, c.kind.name)]
	if this == nil || that == nil {
		return ""
	}
	of := cost.proxy
	if c.upstream {
		of = cost.all
	}
	low, middle, high := sample.Quartiles(sample.Ratios(column(this, of), column(that, of)))
	return fmt.Sprintf("%s [%s–%s]", number(middle), number(low), number(high))
}

// judgeCalls judges how often Envoy asks the service although it must not.
func (b *bench) judgeCalls(list []setup, calls map[string]int) {
	s := b.report.goals("Calls", "Calls to the service for 100 requests without an Origin, and in no-trip for 100 of each kind, as Envoy counts them.")
	for _, setup := range list {
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
func (b *bench) showCosts(list []setup) {
	b.report.byKind("CPU a request", "The native filter works in Envoy's own process, so it is cheaper for requests with an Origin.",
		"µs a request: Envoy + service + upstream", list, func(setup, kind string) string {
			costs := b.costs[costName(setup, kind)]
			if costs == nil {
				return ""
			}
			part := func(of func(cost) float64) string { return number(medianOf(costs, of)) }
			return fmt.Sprintf("%s + %s + %s",
				part(func(c cost) float64 { return c.envoy }), part(func(c cost) float64 { return c.service }), part(func(c cost) float64 { return c.upstream }))
		})
}
