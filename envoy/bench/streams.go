package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/envoy/bench/replay"
)

// streamsJob is gRPC load: the same recorded stream again and again.
type streamsJob struct {
	Address string // HOST:PORT or unix:///PATH
	Stream  replay.Stream
	// Parked are left open between their first and their second message.
	Parked int
	// InFlight streams are under way at a time, without the parked ones.
	InFlight int
	// Warm and Total are how many streams come before the measurement and in it.
	Warm, Total int
}

// perConnection is how many streams are parked on one connection. corsgate allows 1024,
// and Envoy opens another connection for more.
const perConnection = 900

// playStreams warms up, parks streams, says that it is ready, and makes the load when it
// is told to.
func playStreams(ctx context.Context, j streamsJob, in *bufio.Scanner, out io.Writer) (err error) {
	clients, err := j.dial(ctx)
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.Close())
		}
	}()
	if err != nil {
		return err
	}
	if err := j.run(ctx, clients, j.Warm); err != nil {
		return err
	}
	for i, c := range clients {
		if err := c.Park(ctx, share(j.Parked, i, len(clients)), j.InFlight); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "ready")
	for in.Scan() {
		if err := j.run(ctx, clients, j.Total); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return nil
}

// dial opens as many connections as the parked streams need. If there is an error, it
// still returns those that are open.
func (j *streamsJob) dial(ctx context.Context) (clients []*replay.Client, err error) {
	for range 1 + j.Parked/perConnection {
		c, err := replay.Dial(ctx, j.Address, j.Stream)
		if err != nil {
			return clients, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// run makes total streams, on all connections at once.
func (j *streamsJob) run(ctx context.Context, clients []*replay.Client, total int) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, c := range clients {
		g.Go(func() error {
			return c.Run(ctx, share(total, i, len(clients)), max(1, share(j.InFlight, i, len(clients))))
		})
	}
	return g.Wait()
}

// share is the i-th of n nearly equal parts of total.
func share(total, i, n int) int { return total*(i+1)/n - total*i/n }
