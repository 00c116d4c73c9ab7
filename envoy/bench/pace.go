package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

// paceJob is load at a pace: the same request so many times a second, for a while.
type paceJob struct {
	Address   string // HOST:PORT
	Request   string
	Status    int
	PerSecond int
	Lasts     time.Duration
}

// paced is how long the requests took, in microseconds.
type paced struct{ Median, Slow float64 }

// paceConnections is on how many connections the requests go, in turn.
const paceConnections = 10

// playPace says that it is ready, and makes the load whenever it is told to.
func playPace(ctx context.Context, j paceJob, in *bufio.Scanner, out io.Writer) error {
	load := requestsJob{Address: j.Address, Connections: paceConnections}
	conns, err := load.dial(ctx)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	fmt.Fprintln(out, "ready")
	return answerEach(in, out, func(string) (any, error) { return j.run(conns) })
}

// run makes the load once.
func (j *paceJob) run(conns []requestConn) (paced, error) {
	var (
		g    errgroup.Group
		mu   sync.Mutex
		took []float64
	)
	begin, every := time.Now(), time.Second/time.Duration(j.PerSecond)
	for i, c := range conns {
		g.Go(func() error {
			mine, err := j.send(c, begin.Add(time.Duration(i)*every), time.Duration(len(conns))*every, begin.Add(j.Lasts))
			mu.Lock()
			defer mu.Unlock()
			took = slices.Concat(took, mine)
			return err
		})
	}
	err := g.Wait()
	return paced{sample.Median(took), sample.Quantile(took, 0.99)}, err
}

// send sends a request every so often, and returns how long each took. A request that is
// late because of the one before counts from when it was due.
func (j *paceJob) send(c requestConn, due time.Time, every time.Duration, end time.Time) (took []float64, err error) {
	for ; due.Before(end); due = due.Add(every) {
		begin := due
		if early := time.Until(due); early > 0 {
			time.Sleep(early)
			begin = time.Now()
		}
		if err := c.exchange(j.Request, j.Status); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(begin).Nanoseconds())/1e3)
	}
	return took, nil
}
