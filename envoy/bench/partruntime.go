package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/corsgate/corsgate/envoy/bench/replay"
	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// used is the cost of a service under load.
type used struct {
	cpu   float64 // microseconds a stream
	bytes float64 // of memory at the end
}

// environments are the settings of the Go runtime that are compared. The first ones are
// those of "corsgate serve", the second ones Go's own.
func environments() [][]string {
	all := fmt.Sprintf("GOMAXPROCS=%d", runtime.GOMAXPROCS(0))
	return [][]string{
		nil,
		{all, "GOGC=100"},
		{all},
		{"GOMAXPROCS=1"},
		{"GOGC=50"},
		{"GOGC=100"},
		{"GOGC=400"},
		{"GOGC=off", "GOMEMLIMIT=32MiB"},
		{"GOGC=off", "GOMEMLIMIT=64MiB"},
	}
}

// runtime compares settings of the Go runtime, with one-trip requests.
func (b *bench) runtime(ctx context.Context) (err error) {
	streams, err := b.record(ctx)
	if err != nil {
		return err
	}
	var ls loads
	defer func() { err = errors.Join(err, ls.stop()) }()
	var cases []sample.Case[used]
	for _, env := range environments() {
		c, err := b.environmentCase(ctx, &ls, env, streams[0].stream)
		if err != nil {
			return fmt.Errorf("%s: %w", envName(env), err)
		}
		cases = append(cases, c)
	}
	byName, err := measure(ctx, b.rounds, cases)
	if err != nil {
		return err
	}
	s := b.report.section("The Go runtime's settings", "One-trip requests, 16 in flight, against what serve chooses by itself. The second line is what Go itself would choose.", "settings", "CPU", "memory")
	own := byName[envName(nil)]
	for _, env := range environments() {
		got := byName[envName(env)]
		cpu := func(u used) float64 { return u.cpu }
		s.row(envName(env), number(sample.Ratio(column(got, cpu), column(own, cpu))), number(medianOf(got, func(u used) float64 { return u.bytes / (1 << 20) }))+" MiB")
	}
	return nil
}

// environmentCase is the case of a corsgate that has the environment.
func (b *bench) environmentCase(ctx context.Context, ls *loads, env []string, stream replay.Stream) (c sample.Case[used], err error) {
	p, err := startCorsgate(ctx, b.corsgate, b.policies, "127.0.0.1:0", env...)
	if err != nil {
		return c, err
	}
	ls.stops = append(ls.stops, p.stop)
	total := pick(b, 5000, 50)
	job := streamsJob{Address: p.address, Stream: stream, InFlight: 16, Warm: total / 10, Total: total}
	l, err := ls.add(ctx, "play-streams", job, total, p.pid)
	c.Name = envName(env)
	c.Run = func(context.Context) (u used, err error) {
		spent, err := l.run()
		if err != nil {
			return u, err
		}
		u.cpu = spent[0]
		u.bytes, err = residentBytes(p.pid)
		return u, err
	}
	return c, err
}

func envName(env []string) string {
	if len(env) == 0 {
		return "serve's own"
	}
	return strings.Join(env, " ")
}
