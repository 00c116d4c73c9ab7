package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/replay"
	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// maxAllocs is the goal for what a stream allocates, grpc-go's part included.
const maxAllocs = 90

// replayed is a recorded stream with a name.
type replayed struct {
	name   string
	stream replay.Stream
}

// record returns the streams that the service is measured with.
func (b *bench) record(ctx context.Context) ([]replayed, error) {
	all, err := recordAll(ctx, b.binary, b.upstream.address, []kind{allowed, preflight})
	if err != nil {
		return nil, err
	}
	return []replayed{
		{"one-trip, request", all[envoy.OneTrip][allowed.name]},
		{"one-trip, preflight", all[envoy.OneTrip][preflight.name]},
		{"two-phase, request", all[envoy.TwoPhase][allowed.name]},
		{"ext-authz, request", all[envoy.ExtAuthz][allowed.name]},
	}, nil
}

// theNoop is the server that corsgate is compared with.
const theNoop = "no-op"

// inFlights are how many streams are under way at a time.
var inFlights = []int{1, 16}

// service measures the service alone, with recorded streams.
func (b *bench) service(ctx context.Context) (err error) {
	streams, err := b.record(ctx)
	if err != nil {
		return err
	}
	var ls loads
	defer func() { err = errors.Join(err, ls.stop()) }()
	total := pick(b, 1500, 50)
	cases, err := b.streamCases(ctx, &ls, streams, total)
	if err != nil {
		return err
	}
	byName, err := measure(ctx, b.rounds, cases)
	if err != nil {
		return err
	}
	s := b.report.goals("The service alone", "CPU a stream of \"corsgate serve\" against an ordinary no-op server with generated code, each with the settings of the Go runtime that it chooses by itself, and both fed with the streams that a real Envoy opened.")
	for _, r := range streams {
		for _, n := range inFlights {
			mine, noops := byName[streamName(r.name, n, ours)], byName[streamName(r.name, n, theNoop)]
			s.judge(fmt.Sprintf("%s, %d in flight: corsgate / no-op (%s / %s µs)", r.name, n, number(sample.Median(mine)), number(sample.Median(noops))),
				sample.Ratio(mine, noops), 0.75, "")
		}
	}
	return b.inside(ctx, s, streams, total)
}

func streamName(stream string, inFlight int, who string) string {
	return fmt.Sprintf("%s, %d in flight, %s", stream, inFlight, who)
}

// streamCases are all streams, at each number in flight, to both services.
func (b *bench) streamCases(ctx context.Context, ls *loads, streams []replayed, total int) (cases []sample.Case[float64], err error) {
	for _, r := range streams {
		for _, n := range inFlights {
			job := streamsJob{Stream: r.stream, InFlight: n, Warm: total / 10, Total: total}
			mine, err := streamCase(ctx, ls, streamName(r.name, n, ours), b.corsgateTCP, job)
			if err != nil {
				return nil, err
			}
			noops, err := streamCase(ctx, ls, streamName(r.name, n, theNoop), b.noopTCP, job)
			if err != nil {
				return nil, err
			}
			cases = append(cases, mine, noops)
		}
	}
	return cases, nil
}

// streamCase is the case that measures the CPU time of p for the streams.
func streamCase(ctx context.Context, ls *loads, name string, p *process, job streamsJob) (c sample.Case[float64], err error) {
	job.Address = p.address
	l, err := ls.add(ctx, "play-streams", job, job.Total, p.pid)
	c.Name = name
	c.Run = func(context.Context) (float64, error) {
		spent, err := l.run()
		if err != nil {
			return 0, err
		}
		return spent[0], nil
	}
	return c, err
}

// served are the settings of the Go runtime that "corsgate serve" makes on few CPUs.
var served = []string{"GOMAXPROCS=1", "GOGC=200"}

// inside counts allocations and makes a profile, in a corsgate that reports on itself.
func (b *bench) inside(ctx context.Context, s *section, streams []replayed, total int) (err error) {
	p, err := start(ctx, "play-service", serviceJob{Policies: b.policies, Listen: "127.0.0.1:0"}, served...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	for _, r := range streams {
		n, err := allocations(ctx, p, r.stream, total)
		if err != nil {
			return err
		}
		s.judge(r.name+": allocations", n, maxAllocs, "")
	}
	top, err := b.profile(ctx, p, streams[0].stream, pick(b, 30_000, 500))
	s.after = "What is left of a one-trip request, by `go tool pprof -top`:\n\n```text\n" + top + "\n```"
	return err
}

// allocations returns how many allocations the service makes for a stream.
func allocations(ctx context.Context, p *process, stream replay.Stream, total int) (n float64, err error) {
	job := streamsJob{Address: p.address, Stream: stream, InFlight: 16, Warm: total / 10, Total: total}
	l, err := startLoad(ctx, "play-streams", job, total)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	before, err := p.ask(askMallocs)
	if err != nil {
		return 0, err
	}
	if _, err := l.run(); err != nil {
		return 0, err
	}
	after, err := p.ask(askMallocs)
	if err != nil {
		return 0, err
	}
	return float64(atoi(after)-atoi(before)) / float64(total), nil
}

// atoi reads a number that this program, or Envoy, has written.
func atoi(s string) int {
	n, _ := strconv.Atoi(s) // 0 shows as what it is
	return n
}

// profileLines is how much of a profile is shown.
const profileLines = 30

// profile returns where the service's time goes.
func (b *bench) profile(ctx context.Context, p *process, stream replay.Stream, total int) (_ string, err error) {
	job := streamsJob{Address: p.address, Stream: stream, InFlight: 16, Warm: total / 10, Total: total}
	l, err := startLoad(ctx, "play-streams", job, total)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	if _, err := p.ask(askProfiles); err != nil {
		return "", err
	}
	if _, err := l.run(); err != nil {
		return "", err
	}
	file := filepath.Join(b.folder, "cpu.pprof")
	if _, err := p.ask(file); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", fmt.Sprintf("-nodecount=%d", profileLines), file).Output()
	if err != nil {
		return "", fmt.Errorf("read the profile: %w", err)
	}
	// The lines before the table name the program and the time.
	_, table, _ := strings.Cut(string(out), "Showing nodes")
	return "Showing nodes" + strings.TrimRight(table, "\n"), nil
}
