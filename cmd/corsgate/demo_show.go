package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// logPatience is how long an answer's line in the access log may take. Envoy
// writes it every 50 ms.
const logPatience = 5 * time.Second

// show waits for Envoy, then shows what it does: with --once by making the
// requests, else by telling the user and printing each decision until ctx ends.
func (d *demo) show(ctx context.Context, svc *service, ready <-chan string, entries <-chan accessEntry) error {
	select {
	case <-ctx.Done():
		return nil
	case address := <-ready:
		base := "http://" + address
		if d.flags.once {
			return d.tryAll(ctx, base, entries)
		}
		d.guide(base, svc.adminListener.Addr().String())
		d.follow(ctx, entries)
		return nil
	}
}

// guide says what is there and what to try.
func (d *demo) guide(base, admin string) {
	fmt.Fprintf(d.out, "Envoy answers on %s, in front of an upstream that grants every origin.\n", base)
	fmt.Fprintf(d.out, "Policy: %s (edit it, the change is live)\n", d.policyFile)
	fmt.Fprintf(d.out, "Status: http://%s/status\n", admin)
	for i, p := range demoProbes() {
		fmt.Fprintf(d.out, "\n%d. %s\n\n   %s\n", i+1, p.title, p.curl(base))
	}
	fmt.Fprint(d.out, "\nThe decisions follow. Ctrl-C ends all of it.\n\n")
}

// follow prints each decision until ctx ends.
func (d *demo) follow(ctx context.Context, entries <-chan accessEntry) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-entries:
			fmt.Fprintln(d.out, e)
		}
	}
}

// tryAll makes all requests and says whether their answers are as they should be.
func (d *demo) tryAll(ctx context.Context, base string, entries <-chan accessEntry) error {
	probes, bad := demoProbes(), 0
	for i, p := range probes {
		wrong, err := d.try(ctx, i+1, p, base, entries)
		if err != nil {
			return err
		}
		if len(wrong) > 0 {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d answers are not as they should be", bad, len(probes))
	}
	fmt.Fprintf(d.out, "all %d answers are as they should be\n", len(probes))
	return nil
}

// try makes one request, prints its answer, and returns what is wrong with it.
func (d *demo) try(ctx context.Context, n int, p probe, base string, entries <-chan accessEntry) ([]string, error) {
	fmt.Fprintf(d.out, "%d. %s\n\n   %s\n\n", n, p.title, p.curl(base))
	resp, err := p.ask(ctx, base)
	if err != nil {
		return nil, err
	}
	e, err := nextEntry(ctx, entries)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.out, "   %s\n", resp.Status)
	for _, line := range headerLines(resp.Header) {
		fmt.Fprintf(d.out, "   %s\n", line)
	}
	fmt.Fprintf(d.out, "   reason: %s\n", e.Reason)
	wrong := p.wrong(resp, e.Reason)
	for _, w := range wrong {
		fmt.Fprintf(d.out, "   wrong: %s\n", w)
	}
	fmt.Fprintln(d.out)
	return wrong, nil
}

// nextEntry waits for the access log's line of the request that was just
// answered.
func nextEntry(ctx context.Context, entries <-chan accessEntry) (accessEntry, error) {
	select {
	case e := <-entries:
		return e, nil
	case <-ctx.Done():
		return accessEntry{}, ctx.Err()
	case <-time.After(logPatience):
		return accessEntry{}, errors.New("envoy wrote no access log line for the request")
	}
}
