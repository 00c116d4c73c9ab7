package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// What is decided, and how many pages watch that.
const (
	watchedPerSecond = 1000
	watching         = 5
)

// The audiences that are compared, by name.
var audiences = []struct {
	name string
	pagesJob
}{
	{"nobody watches", pagesJob{}},
	{"five pages watch", pagesJob{Pages: watching}},
	{"five pages watch and read nothing", pagesJob{Pages: watching, Deaf: true}},
}

// watched is what a request takes while somebody watches, in microseconds.
type watched struct {
	paced
	corsgate float64 // CPU time
	bytes    float64 // of corsgate, after the load
}

func (w watched) median() float64 { return w.Median }
func (w watched) slow() float64   { return w.Slow }
func (w watched) spent() float64  { return w.corsgate }

// stage is a corsgate whose decisions are watched, and what has it decide.
type stage struct {
	service, load *process
	lasts         time.Duration // of the load
}

// console measures requests while pages watch what is decided about them.
func (b *bench) console(ctx context.Context) (err error) {
	s := stage{lasts: pick(b, 5*time.Second, 200*time.Millisecond)}
	if s.service, err = startCorsgate(ctx, b.corsgate, b.policies, "127.0.0.1:0"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.service.stop()) }()
	f, err := startGenerated(ctx, b.binary, envoy.Config{Profile: envoy.OneTrip, Upstream: b.upstream.address, Service: s.service.address})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	s.load, err = start(ctx, "play-pace", paceJob{
		Address: f.address, Request: allowed.request(), Status: allowed.upstreamStatus, PerSecond: watchedPerSecond, Lasts: s.lasts,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.load.stop()) }()
	return b.watch(ctx, s)
}

// watch measures with each audience in turn, and then what memory one of them takes.
func (b *bench) watch(ctx context.Context, s stage) error {
	idle, err := s.perform() // which warms up, too
	if err != nil {
		return err
	}
	var cases []sample.Case[watched]
	for _, a := range audiences {
		cases = append(cases, sample.Case[watched]{Name: a.name, Run: func(ctx context.Context) (w watched, err error) {
			got, err := s.before(ctx, a.pagesJob, 1)
			if err != nil {
				return w, err
			}
			return got[0], nil
		}})
	}
	byName, err := measure(ctx, b.rounds, cases)
	if err != nil {
		return err
	}
	minute, err := s.before(ctx, audiences[1].pagesJob, pick(b, 13, 2))
	if err != nil {
		return err
	}
	b.showWatched(byName, idle, minute)
	return nil
}

// perform makes the load once.
func (s stage) perform() (w watched, err error) {
	took, err := cpuWhile(s.service.pid, func() error { return s.load.askJSON("go", &w.paced) })
	if err != nil {
		return w, err
	}
	w.corsgate = float64(took.Nanoseconds()) / 1e3 / (watchedPerSecond * s.lasts.Seconds())
	w.bytes, err = residentBytes(s.service.pid)
	return w, err
}

// before makes the load before an audience, some times.
func (s stage) before(ctx context.Context, a pagesJob, times int) (got []watched, err error) {
	a.Admin = s.service.admin
	pages, err := start(ctx, "play-pages", a)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pages.stop()) }()
	for range times {
		w, err := s.perform()
		if err != nil {
			return nil, err
		}
		got = append(got, w)
	}
	return got, nil
}

// showWatched shows what each audience costs, and the memory of corsgate without one, and
// while five pages watch all the time.
func (b *bench) showWatched(byName map[string][]watched, idle watched, minute []watched) {
	s := b.report.goals("The console", fmt.Sprintf("%d requests a second with an Origin, through an Envoy in the one-trip profile, while pages of the console show the decisions live. "+
		"A request's time is as the client sees it; all of it is on this machine, those who read the pages, too.", watchedPerSecond))
	none := byName[audiences[0].name]
	for _, a := range audiences[1:] {
		for _, m := range []struct {
			name  string
			limit float64
			of    func(watched) float64
		}{
			{"the median request", 1.05, watched.median}, {"the slowest of 100 requests", 1.1, watched.slow},
		} {
			mine, others := column(byName[a.name], m.of), column(none, m.of)
			s.judge(fmt.Sprintf("%s, %s: with / without (%s / %s µs)", a.name, m.name, number(sample.Median(mine)), number(sample.Median(others))), sample.Ratio(mine, others), m.limit, "")
		}
		s.tell(a.name+", corsgate's CPU time: with / without", sample.Ratio(column(byName[a.name], watched.spent), column(none, watched.spent)), "")
	}
	first, last := minute[0], minute[len(minute)-1]
	s.tell("corsgate's memory before anybody watched", idle.bytes/mebi, " MiB")
	s.judge(fmt.Sprintf("five pages watch, corsgate's memory a minute later / at first (%s / %s MiB)", number(last.bytes/mebi), number(first.bytes/mebi)), last.bytes/first.bytes, 1.05, "")
}
