package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// back is what has the demo's Envoy follow the policy file: a service that it asks,
// or only what compiles the policies for it.
type back struct {
	// address is where Envoy asks, and status the URL of /status; without a service
	// both are empty.
	address, status string
	run             func(context.Context) error
	close           func() error // in place of run
}

// back returns it with the sample policy loaded.
func (d *demo) back(ctx context.Context) (*back, error) {
	if d.flags.withoutService {
		return d.compiler(ctx)
	}
	return d.service(ctx)
}

// compiler keeps the filters of an Envoy without a service.
func (d *demo) compiler(ctx context.Context) (*back, error) {
	r := &live.Reloader{Source: watchedSource(d.policyFile, 0, d.log), Logger: d.log, Sinks: []live.Sink{d.filters("")}}
	if err := r.Load(ctx); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return &back{run: r.Run, close: func() error { return nil }}, nil
}

// service returns the corsgate of the demo. It is what serve runs, but that it ends
// without waiting for anybody.
func (d *demo) service(ctx context.Context) (*back, error) {
	c := serveConfig{
		policies:   d.policyFile,
		grpcListen: d.flags.grpc, adminListen: d.flags.admin,
		drainTimeout: 2 * time.Second,
		observe:      observeConfig{stderr: d.stderr},
	}
	svc, err := c.build(d.log, nil)
	if err != nil {
		return nil, err
	}
	if d.flags.noTrip() {
		svc.Reloader.Sinks = append(svc.Reloader.Sinks, d.filters(svc.grpcAddress()))
	}
	if err := svc.Load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: %w", err), svc.Close())
	}
	return &back{address: svc.grpcAddress(), status: "http://" + svc.admin.Listener.Addr().String() + "/status", run: svc.Run, close: svc.Close}, nil
}

// filters keeps the files that the demo's Envoy watches; they name no upstream.
func (d *demo) filters(service string) *filterFiles {
	return &filterFiles{config: d.config("", service), log: d.log}
}
