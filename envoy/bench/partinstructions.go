package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// instructions counts Envoy's instructions for a request in every setup. Other work of
// the machine does not change the count, so once is enough.
func (b *bench) instructions(ctx context.Context) error {
	list := pick(b, append(setups(), sized()...), quickly())
	var mu sync.Mutex
	b.counts = map[string]float64{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, s := range list {
		g.Go(func() error {
			counts, err := b.count(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for k, n := range counts {
				b.counts[costName(s.name, k)] = n
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	b.showCounts(list)
	b.judgeEnvoy()
	return nil
}

// quickly are the setups of a quick run.
func quickly() (list []setup) {
	for _, s := range setups() {
		if s.name == noFilter || s.name == noTrip {
			list = append(list, s)
		}
	}
	return list
}

// count counts the requests of one setup, by kind.
func (b *bench) count(ctx context.Context, s setup) (counts map[string]float64, err error) {
	p, err := s.build(b)
	if err != nil {
		return nil, err
	}
	p.quiet()
	f, err := startFront(ctx, b.callgrind, p.bootstrap)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	if _, err := control(ctx, f.pid, "-i", "on"); err != nil {
		return nil, err
	}
	counts = map[string]float64{}
	for _, k := range s.kinds {
		if counts[k.name], err = b.countKind(ctx, running{s, f}, k); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return counts, nil
}

// afterwards is how long an Envoy under callgrind may still work after it has answered.
const afterwards = 100 * time.Millisecond

// countKind counts requests of one kind on one connection. Other requests come before,
// so that Envoy has done what it does only the first time.
func (b *bench) countKind(ctx context.Context, f running, k kind) (float64, error) {
	total := pick(b, 300, 60)
	job := requestsJob{Address: f.address, Request: k.request(), Status: f.status(k), Connections: 1}
	conns, err := job.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer closeAll(conns)
	read := func(total int) (int, error) {
		if err := job.load(conns, total); err != nil {
			return 0, err
		}
		time.Sleep(afterwards)
		return counted(ctx, f.pid)
	}
	before, err := read(total / 3)
	if err != nil {
		return 0, err
	}
	after, err := read(total)
	return float64(after-before) / float64(total), err
}

// showCounts shows every count.
func (b *bench) showCounts(list []setup) {
	b.report.byKind("Instructions a request", "Of Envoy alone, by callgrind. The ratios are to no filter on the same requests: preflights to one that the upstream serves.",
		"thousand instructions a request", list, func(setup, kind string) string {
			n, found := b.counts[costName(setup, kind)]
			if !found {
				return ""
			}
			return fmt.Sprintf("%.1f (%.3f)", n/1000, n/b.counts[costName(noFilter, kind)])
		})
}
