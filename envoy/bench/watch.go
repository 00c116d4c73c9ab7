package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/store"
)

// watchJob is a number of watchers of a store, each with connections of its own.
type watchJob struct {
	URL      string
	Watchers int
}

// watcher follows a store, and reads each release.
type watcher struct {
	source *store.Source

	mu   sync.Mutex
	read map[uint64]time.Time // :: revision -> when it was read
}

// connectAtOnce is how many watchers connect at the same time.
const connectAtOnce = 50

// playWatch says that it is ready once all watchers have read what is there. It answers a
// revision with the times at which they have read it, in nanoseconds since 1970.
func playWatch(ctx context.Context, j watchJob, in *bufio.Scanner, out io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	g, watching := errgroup.WithContext(ctx)
	defer func() {
		cancel()
		err = errors.Join(err, g.Wait())
	}()
	watchers, err := j.connect(watching, g)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	return answerEach(in, out, func(line string) (any, error) {
		revision, err := strconv.ParseUint(line, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read a revision: %w", err)
		}
		return timesOf(ctx, watchers, revision)
	})
}

// connect makes the watchers, each of which has read what is there.
func (j *watchJob) connect(ctx context.Context, g *errgroup.Group) ([]*watcher, error) {
	watchers := make([]*watcher, j.Watchers)
	var connecting errgroup.Group
	connecting.SetLimit(connectAtOnce)
	for i := range watchers {
		connecting.Go(func() error {
			b, err := etcd.Open(etcd.Config{URL: j.URL})
			if err != nil {
				return err
			}
			w := &watcher{source: &store.Source{Backend: b}, read: map[uint64]time.Time{}}
			watchers[i] = w
			g.Go(func() error { return errors.Join(w.follow(ctx), b.Close()) })
			_, err = w.source.Read(ctx)
			return err
		})
	}
	return watchers, connecting.Wait()
}

// follow reads whenever something has changed, until ctx ends.
func (w *watcher) follow(ctx context.Context) error {
	notices := make(chan struct{}, 1)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return w.source.Watch(ctx, func() {
			select {
			case notices <- struct{}{}:
			default:
			}
		})
	})
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-notices:
				w.note(ctx)
			}
		}
	})
	return g.Wait()
}

// note reads what there is, and when. What cannot be read is told of again.
func (w *watcher) note(ctx context.Context) {
	r, err := w.source.Read(ctx)
	if err != nil || r.HasErrors() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read[r.Release.Revision] = time.Now()
}

func (w *watcher) when(revision uint64) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, found := w.read[revision]
	return at, found
}

// timesOf waits until all watchers have read a revision, and returns when they have.
func timesOf(ctx context.Context, watchers []*watcher, revision uint64) (times []int64, err error) {
	for i, w := range watchers {
		err := await(ctx, fmt.Sprintf("watcher %d, revision %d", i, revision), probeEvery, func(context.Context) bool {
			at, found := w.when(revision)
			if found {
				times = append(times, at.UnixNano())
			}
			return found
		})
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}
