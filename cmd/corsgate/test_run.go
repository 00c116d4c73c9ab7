package main

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/server/live"
)

// once runs the cases and prints their results.
func (t *tester) once(ctx context.Context, stdout, stderr io.Writer) error {
	report, err := t.run(ctx, stderr)
	if err != nil {
		return err
	}
	if err := report.print(stdout, stderr, t.config); err != nil {
		return err
	}
	if report.Failed > 0 || t.config.strict && len(report.Unexercised) > 0 {
		return errFindings
	}
	return nil
}

// watch runs the cases now and whenever something changes, until ctx ends. It prints
// mistakes, which can be corrected while it waits.
func (t *tester) watch(ctx context.Context, stdout, stderr io.Writer) error {
	changes := make(chan struct{}, 1)
	changed := func() { offer(changes, struct{}{}) }
	changed()
	g, ctx := errgroup.WithContext(ctx)
	for _, source := range t.sources() {
		g.Go(func() error { return source.Watch(ctx, changed) }) // notices that a file changed
	}
	g.Go(func() error { // runs the cases
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-changes:
				report(stderr, "corsgate test", t.once(ctx, stdout, stderr))
				fmt.Fprintln(stderr, "waiting for a change; Ctrl-C ends")
			}
		}
	})
	return g.Wait()
}

// sources are all that the cases are run from.
func (t *tester) sources() (all []live.Source) {
	if t.policies != nil {
		all = append(all, t.policies)
	}
	for _, source := range t.cases {
		all = append(all, source)
	}
	return all
}
