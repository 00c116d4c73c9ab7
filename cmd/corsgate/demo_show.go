package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/printable"
)

// logPatience is how long an answer's line in the access log may take. Envoy writes the
// log every 50 ms, unless the machine is busy.
const logPatience = time.Minute

// show waits for Envoy, then shows what it does: with --once by making the
// requests, else by telling the user and printing each decision until ctx ends.
func (d *demo) show(ctx context.Context, back *back, ready <-chan string, entries <-chan accessEntry) error {
	select {
	case <-ctx.Done():
		if d.flags.once {
			return ctx.Err() // nothing was checked
		}
		return nil
	case address := <-ready:
		base := "http://" + address
		back.awaitDelivery(ctx)
		if d.flags.once {
			return d.tryAll(ctx, base, entries)
		}
		d.guide(base, back.status)
		d.follow(ctx, entries)
		return nil
	}
}

// json reports whether the demo prints for programs.
func (d *demo) json() bool { return d.flags.format.value == "json" }

// guide says what runs and what to try, for programs on one line of JSON. Without a
// service there is no status.
func (d *demo) guide(base, status string) {
	file := printable.Name(d.policyFile)
	if d.json() {
		there := map[string]string{"envoy": base, "policies": file}
		if status != "" {
			there["status"], there["console"] = status, consoleBeside(status)
		}
		_ = json.NewEncoder(d.out).Encode(there)
		return
	}
	fmt.Fprintf(d.out, "Envoy answers on %s, in front of an upstream that grants every origin.\n", base)
	if d.flags.noTrip() {
		fmt.Fprintln(d.out, "It has the policy compiled in, and decides by itself; each answer says who decided.")
	}
	fmt.Fprintf(d.out, "Policy: %s (edit it, the change is live)\n", file)
	if status != "" {
		fmt.Fprintf(d.out, "Console: %s\nStatus: %s\n", consoleBeside(status), status)
	}
	for i, p := range demoProbes() {
		fmt.Fprintf(d.out, "\n%d. %s\n\n   %s\n", i+1, p.title, p.curl(base))
	}
	fmt.Fprint(d.out, "\nThe decisions follow. Ctrl-C ends all of it.\n\n")
}

// consoleBeside returns the URL of the console on the listener that has the status.
func consoleBeside(status string) string { return strings.TrimSuffix(status, "status") + "console/" }

// follow prints each decision until ctx ends, for programs as a line of JSON.
func (d *demo) follow(ctx context.Context, entries <-chan accessEntry) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-entries:
			if d.json() {
				_ = json.NewEncoder(d.out).Encode(e)
				continue
			}
			fmt.Fprintln(d.out, e)
		}
	}
}

// tried is a request of the demo and its result, in the form of its JSON.
type tried struct {
	Title   string `json:"title"`
	Command string `json:"command"`
	Status  int    `json:"status"`
	// Headers are the answer's CORS headers and Vary, one a line.
	Headers []string `json:"headers"`
	Reason  string   `json:"reason"`
	// By is who decided.
	By string `json:"by,omitempty"`
	// Wrong is what is wrong with the answer.
	Wrong []string `json:"wrong,omitempty"`
}

// tryAll makes all requests and says whether their answers are right.
func (d *demo) tryAll(ctx context.Context, base string, entries <-chan accessEntry) error {
	probes, bad := demoProbes(), 0
	all := make([]tried, 0, len(probes))
	for i, p := range probes {
		t, err := d.try(ctx, p, base, entries)
		if err != nil {
			return err
		}
		if len(t.Wrong) > 0 {
			bad++
		}
		all = append(all, t)
		if !d.json() {
			t.print(d.out, i+1)
		}
	}
	if d.json() {
		if err := writeJSON(d.out, map[string][]tried{"answers": all}); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d answers are not as they should be", bad, len(probes))
	}
	if !d.json() {
		fmt.Fprintf(d.out, "all %d answers are as they should be\n", len(probes))
	}
	return nil
}

// try makes one request and returns the result.
func (d *demo) try(ctx context.Context, p probe, base string, entries <-chan accessEntry) (tried, error) {
	resp, err := p.ask(ctx, base)
	if err != nil {
		return tried{}, err
	}
	e, err := nextEntry(ctx, entries)
	if err != nil {
		return tried{}, err
	}
	return tried{
		Title: p.title, Command: p.curl(base),
		Status: resp.StatusCode, Headers: headerLines(resp.Header), Reason: e.Reason, By: e.By, Wrong: p.wrong(resp, e.Reason),
	}, nil
}

// print writes the request and its answer for people.
func (t tried) print(out io.Writer, n int) {
	fmt.Fprintf(out, "%d. %s\n\n   %s\n\n", n, t.Title, t.Command)
	fmt.Fprintf(out, "   %d %s\n", t.Status, http.StatusText(t.Status))
	for _, line := range t.Headers {
		fmt.Fprintf(out, "   %s\n", line)
	}
	fmt.Fprintf(out, "   reason: %s\n", decision(t.Reason, t.By))
	for _, w := range t.Wrong {
		fmt.Fprintf(out, "   wrong: %s\n", w)
	}
	fmt.Fprintln(out)
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
