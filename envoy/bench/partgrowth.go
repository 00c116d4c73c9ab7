package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/plot"
	"github.com/corsgate/corsgate/envoy/bench/replay"
	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// held is the cost of a service with open streams.
type held struct {
	cpu   float64 // microseconds a stream, both phases
	bytes float64 // of memory for an open stream
}

// growth measures the two-phase profile with more and more streams whose upstream is
// slow, so that they stay open between their phases.
func (b *bench) growth(ctx context.Context) error {
	all, err := recordAll(ctx, b.binary, b.upstream.address, []kind{allowed})
	if err != nil {
		return err
	}
	stream := all[envoy.TwoPhase][allowed.name]
	counts := pick(b, []int{1, 10, 100, 1000, 10_000}, []int{1, 10, 100})
	var cases []sample.Case[held]
	for _, n := range counts {
		for _, who := range []string{ours, theNoop} {
			cases = append(cases, sample.Case[held]{Name: heldName(n, who), Run: func(ctx context.Context) (held, error) { return b.hold(ctx, who, stream, n) }})
		}
	}
	byName, err := measure(ctx, b.fewRounds(), cases)
	if err != nil {
		return err
	}
	b.plotStreams(counts, byName)
	s := b.report.section("Open streams", "In the two-phase profile a stream stays open while the upstream works.", "streams open", "µs a request: corsgate", "no-op", "memory a stream: corsgate", "no-op")
	for _, n := range counts {
		mine, noops := byName[heldName(n, ours)], byName[heldName(n, theNoop)]
		s.row(fmt.Sprint(n), number(medianOf(mine, held.micros)), number(medianOf(noops, held.micros)), kib(mine, n), kib(noops, n))
	}
	return nil
}

func (h held) micros() float64 { return h.cpu }

func heldName(n int, who string) string { return fmt.Sprintf("%d open, %s", n, who) }

// enoughStreams is the least number of streams at which a process's memory says how much
// one stream needs.
const enoughStreams = 100

func kib(list []held, n int) string {
	if n < enoughStreams {
		return ""
	}
	return number(medianOf(list, func(h held) float64 { return h.bytes / 1024 })) + " KiB"
}

// hold measures a service with n open streams. It starts a new one each time, since a
// process does not give memory back at once.
func (b *bench) hold(ctx context.Context, who string, stream replay.Stream, n int) (h held, err error) {
	p, err := b.startFresh(ctx, who)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	before, err := residentBytes(p.pid)
	if err != nil {
		return h, err
	}
	job := streamsJob{Address: p.address, Stream: stream, InFlight: 16, Parked: n, Warm: 16, Total: pick(b, 2000, 50)}
	l, err := startLoad(ctx, "play-streams", job, job.Total, p.pid)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	after, err := residentBytes(p.pid)
	if err != nil {
		return h, err
	}
	spent, err := l.run()
	if err != nil {
		return h, err
	}
	return held{cpu: spent[0], bytes: (after - before) / float64(n)}, nil
}

func (b *bench) startFresh(ctx context.Context, who string) (*process, error) {
	if who == ours {
		return startCorsgate(ctx, b.corsgate, b.policies, "127.0.0.1:0")
	}
	return start(ctx, "play-noop", listenJob{Listen: "127.0.0.1:0"})
}

func (b *bench) plotStreams(counts []int, byName map[string][]held) {
	line := func(who string, least int, of func(held) float64) plot.Series {
		s := plot.Series{Name: who}
		for _, n := range counts {
			if n >= least {
				s.Points = append(s.Points, plot.Point{X: float64(n), Y: max(0, medianOf(byName[heldName(n, who)], of))})
			}
		}
		return s
	}
	open := plot.Axis{Label: "streams open", Log: true}
	b.report.chart("streams.svg", plot.Chart{
		Title: "A request against open streams, two-phase", X: open, Y: plot.Axis{Label: "µs CPU of the service"},
		Series: []plot.Series{line(ours, 1, held.micros), line(theNoop, 1, held.micros)},
	})
	memory := func(h held) float64 { return h.bytes / 1024 }
	b.report.chart("memory.svg", plot.Chart{
		Title: "Memory of an open stream, two-phase", X: open, Y: plot.Axis{Label: "KiB a stream"},
		Series: []plot.Series{line(ours, enoughStreams, memory), line(theNoop, enoughStreams, memory)},
	})
}
