package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// settle is how long a process may still work for a load that has ended, such as for
// the resets of the last streams.
const settle = 2 * time.Millisecond

// load is a load that can be repeated, and the processes under it.
type load struct {
	*process
	total int
	pids  []int
}

// startLoad connects and warms up. One run makes total requests or streams.
func startLoad(ctx context.Context, role string, job any, total int, pids ...int) (*load, error) {
	p, err := start(ctx, role, job)
	if err != nil {
		return nil, err
	}
	return &load{p, total, pids}, nil
}

// run makes the load and returns the CPU time of each process, in microseconds for one
// request or stream.
func (l *load) run() (spent []float64, err error) {
	before, err := cpuTimes(l.pids)
	if err != nil {
		return nil, err
	}
	if _, err := l.ask("go"); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	after, err := cpuTimes(l.pids)
	if err != nil {
		return nil, err
	}
	for i := range after {
		spent = append(spent, float64((after[i]-before[i]).Nanoseconds())/1e3/float64(l.total))
	}
	return spent, nil
}

// cpuWhile returns the CPU time that a process uses while do runs.
func cpuWhile(pid int, do func() error) (time.Duration, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := cpuTime(pid)
	return after - before, err
}

func cpuTimes(pids []int) ([]time.Duration, error) {
	times := make([]time.Duration, len(pids))
	for i, pid := range pids {
		var err error
		if times[i], err = cpuTime(pid); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// loads are started for a part of the benchmark, and stopped after it.
type loads struct{ stops []func() error }

// add starts a load that lasts until stop.
func (ls *loads) add(ctx context.Context, role string, job any, total int, pids ...int) (*load, error) {
	l, err := startLoad(ctx, role, job, total, pids...)
	if err != nil {
		return nil, err
	}
	ls.stops = append(ls.stops, l.stop)
	return l, nil
}

// stop stops everything.
func (ls *loads) stop() error {
	var errs []error
	for _, stop := range ls.stops {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// measure measures cases side by side and returns what was measured by name.
func measure[T any](ctx context.Context, rounds int, cases []sample.Case[T]) (map[string][]T, error) {
	got, err := sample.Interleave(ctx, rounds, cases)
	if err != nil {
		return nil, err
	}
	byName := map[string][]T{}
	for i, c := range cases {
		if byName[c.Name] != nil {
			return nil, fmt.Errorf("two cases are called %q", c.Name)
		}
		byName[c.Name] = got[i]
	}
	return byName, nil
}
