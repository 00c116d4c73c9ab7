package main

import (
	"context"
	"strings"
)

// asksAlways reports whether Envoy asks the service about every request.
func (s setup) asksAlways() bool {
	return strings.HasPrefix(s.name, "no-op") || strings.HasPrefix(s.name, "two-phase")
}

// asked is Envoy's counter of the calls to the service. It does not count what no-trip
// reports to the feed.
func (s setup) asked() string {
	switch {
	case strings.HasPrefix(s.name, "no-op"):
		return "cluster.noop.upstream_rq_total"
	case strings.HasPrefix(s.name, noTrip):
		return "http.traffic.ext_proc.corsgate.streams_started"
	}
	return "cluster.corsgate.upstream_rq_total"
}

// quietKinds are the kinds of requests that Envoy must not ask the service about.
func (s setup) quietKinds() []kind {
	if strings.HasPrefix(s.name, noTrip) {
		return s.kinds
	}
	return []kind{withoutOrigin}
}

// calls returns how many calls to the service a hundred requests of each quiet kind
// make.
func (r running) calls(ctx context.Context) (int, error) {
	counter := r.asked()
	before, err := r.counter(ctx, counter)
	if err != nil {
		return 0, err
	}
	for _, k := range r.quietKinds() {
		job := requestsJob{Address: r.address, Request: k.request(), Status: r.status(k), Connections: 1, Total: 100}
		if err := job.once(ctx); err != nil {
			return 0, err
		}
	}
	after, err := r.counter(ctx, counter)
	return after - before, err
}
