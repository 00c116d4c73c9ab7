package main

import (
	"context"
	"strings"
)

// asksAlways tells that the service is asked about every request.
func (s setup) asksAlways() bool {
	return strings.HasPrefix(s.name, "no-op") || strings.HasPrefix(s.name, "two-phase")
}

// cluster is the service's name in Envoy's configuration.
func (s setup) cluster() string {
	if strings.HasPrefix(s.name, "no-op") {
		return "noop"
	}
	return "corsgate"
}

// calls returns how many calls to the service a hundred requests without an
// Origin make.
func (r running) calls(ctx context.Context) (int, error) {
	counter := "cluster." + r.cluster() + ".upstream_rq_total"
	before, err := r.counter(ctx, counter)
	if err != nil {
		return 0, err
	}
	job := requestsJob{Address: r.address, Request: withoutOrigin.request(), Status: withoutOrigin.upstreamStatus, Connections: 1, Total: 100}
	conns, err := job.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer closeAll(conns)
	if err := job.load(conns, job.Total); err != nil {
		return 0, err
	}
	after, err := r.counter(ctx, counter)
	return after - before, err
}
