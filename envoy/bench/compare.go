package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// perStart is for how many rounds the same Envoys are measured. The speed of a
// process depends on where its memory happens to be: it differs by a tenth and more
// from start to start. So only many starts tell two setups apart.
const perStart = 2

// startsAtOnce is how many Envoys start at a time. They mostly wait, but they must not
// time out.
const startsAtOnce = 4

// running is a setup with its Envoy.
type running struct {
	setup
	*front
}

// compare measures the kinds of requests of each setup, side by side. At the end it
// calls visit for each running setup, unless visit is nil.
func (b *bench) compare(ctx context.Context, list []setup, rounds int, visit func(context.Context, running) error) (map[string][]cost, error) {
	all := map[string][]cost{}
	for left := rounds; left > 0; left -= perStart {
		last := visit
		if left > perStart {
			last = nil
		}
		byName, err := b.compareOnce(ctx, list, min(left, perStart), last)
		if err != nil {
			return nil, err
		}
		for name, costs := range byName {
			all[name] = append(all[name], costs...)
		}
	}
	return all, nil
}

// compareOnce does that with one start of the Envoys.
func (b *bench) compareOnce(ctx context.Context, list []setup, rounds int, visit func(context.Context, running) error) (_ map[string][]cost, err error) {
	fronts, err := b.startFronts(ctx, list)
	defer func() { err = errors.Join(err, stopFronts(fronts)) }()
	if err != nil {
		return nil, err
	}
	var ls loads
	defer func() { err = errors.Join(err, ls.stop()) }()
	var cases []sample.Case[cost]
	for _, f := range fronts {
		for _, k := range f.kinds {
			c, err := b.requestCase(ctx, &ls, f, k)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			cases = append(cases, c)
		}
	}
	byName, err := measure(ctx, rounds, cases)
	if err != nil || visit == nil {
		return byName, err
	}
	for _, f := range fronts {
		if err := visit(ctx, f); err != nil {
			return nil, err
		}
	}
	return byName, nil
}

// startFronts starts an Envoy for each setup. If there is an error, it still returns
// those that run.
func (b *bench) startFronts(ctx context.Context, list []setup) (fronts []running, err error) {
	started := make([]*front, len(list))
	var g errgroup.Group
	g.SetLimit(startsAtOnce)
	for i, s := range list {
		g.Go(func() error {
			p, err := s.build(b)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if started[i], err = startFront(ctx, b.binary, p.bootstrap); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		})
	}
	err = g.Wait()
	for i, f := range started {
		if f != nil {
			fronts = append(fronts, running{list[i], f})
		}
	}
	return fronts, err
}

// stopFronts stops all of them and waits for their end.
func stopFronts(fronts []running) error {
	var g errgroup.Group
	for _, f := range fronts {
		g.Go(f.stop)
	}
	return g.Wait()
}

// requestConnections are how many requests are under way at a time.
const requestConnections = 8

// requestCase is the case that measures requests of a kind through f.
func (b *bench) requestCase(ctx context.Context, ls *loads, f running, k kind) (c sample.Case[cost], err error) {
	total := pick(b, 800, 40) // and half of it before, for a process that has just begun
	job := requestsJob{
		Address: f.address, Request: k.request(), Status: f.status(k),
		Connections: requestConnections, Warm: total / 2, Total: total,
	}
	pids := []int{f.pid, b.upstream.pid}
	if f.service != nil {
		pids = append(pids, f.service(b).pid)
	}
	l, err := ls.add(ctx, "play-requests", job, total, pids...)
	c.Name = costName(f.name, k.name)
	c.Run = func(context.Context) (cost, error) {
		spent, err := l.run()
		if err != nil {
			return cost{}, err
		}
		return cost{spent[0], spent[1], slices.Concat(spent[2:], []float64{0})[0]}, nil
	}
	return c, err
}

// status is the status of the answer to a request of that kind. The native filter
// answers preflights with 200, and sends denied ones to the upstream. corsgate denies
// preflights with 403.
func (s setup) status(k kind) int {
	switch {
	case strings.HasPrefix(s.name, nativeCORS) && k.name == preflight.name:
		return http.StatusOK
	case s.decides && k.name == deniedPreflight.name:
		return http.StatusForbidden
	}
	return k.upstreamStatus
}
