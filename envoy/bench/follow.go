package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// followJob is an edit of policies under load.
type followJob struct {
	Address string // HOST:PORT of an Envoy
	// Request is sent again and again, and answered with Status.
	Request string
	Status  int
	// Probe is answered with Live once the edit is served.
	Probe string
	Live  int
	// The edit renames From to To. If From is empty, there is no edit, and the load lasts
	// for quiet.
	From, To string
}

// followed is the result.
type followed struct {
	Live     time.Duration // from the edit until it is served
	Pause    time.Duration // the longest that a request has taken
	Requests int64
}

// The load: the number of connections and how often each sends a request; how long the
// load lasts without an edit.
const (
	followConnections = 4
	followEvery       = 2 * time.Millisecond
	quiet             = 3 * time.Second
)

// playFollow says that it is ready, makes the load, makes the edit when it is told to, and
// answers with the result.
func playFollow(ctx context.Context, j followJob, in *bufio.Scanner, out io.Writer) error {
	fmt.Fprintln(out, "ready")
	return answerEach(in, out, func(string) (any, error) { return j.run(ctx) })
}

func (j *followJob) run(ctx context.Context) (f followed, err error) {
	load := requestsJob{Address: j.Address, Connections: followConnections}
	conns, err := load.dial(ctx)
	if err != nil {
		return f, err
	}
	defer closeAll(conns)
	loading, stop := context.WithCancel(ctx)
	g, loading := errgroup.WithContext(loading)
	var pause, requests atomic.Int64
	for _, c := range conns {
		g.Go(func() error { return j.send(loading, c, &pause, &requests) })
	}
	g.Go(func() (err error) {
		defer stop()
		f.Live, err = j.edit(loading)
		return err
	})
	err = g.Wait()
	f.Pause, f.Requests = time.Duration(pause.Load()), requests.Load()
	return f, err
}

// send sends requests on a connection until ctx ends.
func (j *followJob) send(ctx context.Context, c requestConn, pause, requests *atomic.Int64) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		begin := time.Now()
		if err := c.exchange(j.Request, j.Status); err != nil {
			return err
		}
		raise(pause, time.Since(begin).Nanoseconds())
		requests.Add(1)
	}
}

// raise raises most to v, unless it is higher.
func raise(most *atomic.Int64, v int64) {
	for old := most.Load(); v > old; old = most.Load() {
		if most.CompareAndSwap(old, v) {
			return
		}
	}
}

// edit makes the edit, and returns how long it took until it was served.
func (j *followJob) edit(ctx context.Context) (time.Duration, error) {
	if j.From == "" {
		time.Sleep(quiet)
		return 0, nil
	}
	begin := time.Now()
	if err := os.Rename(j.From, j.To); err != nil {
		return 0, fmt.Errorf("edit the policies: %w", err)
	}
	err := awaitAnswer(ctx, j.Address, j.Probe, j.Live, probeEvery)
	return time.Since(begin), err
}
