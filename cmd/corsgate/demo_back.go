package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
)

// back brings the policy file's changes to the demo's Envoy. It is a service, or only
// compiles the policies.
type back struct {
	// address is where Envoy asks, and status the URL of /status; without a service
	// both are empty.
	address, status string
	delivers        *ecds.Server // nil if nothing is delivered
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

// compiler keeps the filters of an Envoy without a service; they name no upstream.
func (d *demo) compiler(ctx context.Context) (*back, error) {
	c := d.config("", "")
	r := &live.Reloader{
		Source: decidable{fileSource(d.policyFile, 0, false, d.log), c}, Logger: d.log,
		Sinks: []live.Sink{&filterFiles{config: c, log: d.log}},
	}
	if err := r.Load(ctx); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return &back{run: r.Run, close: func() error { return nil }}, nil
}

// service returns the corsgate of the demo. It is what serve runs, except that it does not
// wait for anybody when it ends.
func (d *demo) service(ctx context.Context) (*back, error) {
	c := serveConfig{
		policies:   d.policyFile,
		grpcListen: d.flags.grpc, adminListen: d.flags.admin,
		drainTimeout: 2 * time.Second,
		ecds:         ecdsFlags{joinedFlags: joinedFlags{on: d.flags.noTrip()}},
		observe:      observeConfig{stderr: d.stderr},
	}
	svc, err := c.build(d.log, nil)
	if err != nil {
		return nil, err
	}
	if err := svc.Load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: %w", err), svc.Close())
	}
	return &back{
		address: svc.grpcAddress(), status: "http://" + svc.admin.Listener.Addr().String() + "/status",
		delivers: svc.ecds, run: svc.Run, close: svc.Close,
	}, nil
}

// awaitDelivery waits until Envoy has what is delivered, or has refused it, or ctx
// has ended. Until then it asks.
func (b *back) awaitDelivery(ctx context.Context) {
	answered := func(e ecds.Envoy) bool { return len(e.Resources) > 0 && e.State != ecds.Waiting }
	for b.delivers != nil && ctx.Err() == nil && !slices.ContainsFunc(b.delivers.Envoys(), answered) {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// decidable is a source of policies for an Envoy without a service. A policy that such an
// Envoy cannot decide about is a mistake.
type decidable struct {
	live.Source
	config envoy.Config
}

// Read implements live.Source.
func (s decidable) Read(ctx context.Context) (live.Reading, error) {
	r, err := s.Source.Read(ctx)
	if err != nil || r.HasErrors() || r.Policies == nil {
		return r, err
	}
	_, found, err := compileFor(s.config, r.Result)
	for _, d := range found {
		if d.Level == policy.Error {
			r.Diagnostics = append(r.Diagnostics, d)
		}
	}
	return r, err
}
