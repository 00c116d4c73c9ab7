package store

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Watch follows the target. If the store cannot be watched it tries again.
func (s *Source) Watch(ctx context.Context, changed func()) error {
	s.setup()
	f := follower{Source: s, notices: make(chan struct{}, 1), broken: make(chan struct{}, 1)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { f.watch(ctx); return nil })
	g.Go(func() error { f.audit(ctx); return nil })
	g.Go(func() error { f.tell(ctx, changed); return nil })
	return g.Wait()
}

// follower is one Watch. Nothing that a watch does not tell is taken for unchanged: an
// audit looks besides.
type follower struct {
	*Source
	notices chan struct{} // has a value if there is something to tell
	broken  chan struct{} // has a value if an audit does not bear the watch out
	// heard is the target that the watch has told; nil if it has told none yet.
	heard atomic.Pointer[[]byte]
	// away tells that the store cannot be watched, or does not answer an audit, and that
	// this was logged.
	away atomic.Bool
}

// see takes the target that the store has.
func (f *follower) see(target []byte) {
	if f.differs(target) {
		signal(f.notices)
	}
}

// signal sends, unless that was done already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// tell tells of changes, those that follow one another at once together.
func (f *follower) tell(ctx context.Context, changed func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.notices:
		}
		if !sleep(ctx, settle) {
			return
		}
		select {
		case <-f.notices:
		default:
		}
		changed()
	}
}

// watch watches the target again and again.
func (f *follower) watch(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		err := f.watchOnce(ctx, func(target []byte) {
			if f.away.Swap(false) {
				f.log().Info("the store is watched again")
			}
			pause = firstPause
			f.heard.Store(&target)
			f.see(target)
		})
		if err != nil {
			f.lost(ctx, err)
		}
		sleep(ctx, pause/2+random(pause/2))
		pause = min(2*pause, maxPause)
	}
}

// lost logs why the store cannot be watched, once until it is watched again.
func (f *follower) lost(ctx context.Context, err error) {
	if ctx.Err() == nil && !f.away.Swap(true) {
		f.log().Warn("the store cannot be watched, the policies go on to serve and it is tried again", "error", err)
	}
}

// watchOnce watches the target until that ends, or an audit does not bear it out: the
// watch may be of a server that hangs, or wait for a revision that an etcd which was set
// back will not have for long.
func (f *follower) watchOnce(ctx context.Context, tell func([]byte)) error {
	select {
	case <-f.broken: // it is about a watch before
	default:
	}
	f.heard.Store(nil)
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-watching.Done():
		case <-f.broken:
			cancel()
		}
	}()
	return f.Backend.Watch(watching, targetKey, tell)
}

// audit asks for the target at intervals.
func (f *follower) audit(ctx context.Context) {
	interval := cmp.Or(f.Audit, DefaultAudit)
	for sleep(ctx, interval*3/4+random(interval/2)) {
		found, err := f.reader.get(ctx, targetKey)
		if err != nil {
			f.lost(ctx, err)
			signal(f.broken)
			continue
		}
		f.confirm()
		target := found[targetKey].Value
		if heard := f.heard.Load(); heard == nil || !bytes.Equal(*heard, target) {
			signal(f.broken)
		}
		f.see(target)
		if f.mended(ctx, target) {
			signal(f.notices)
		}
	}
}

// mended reports whether a release that could not be read now can, or fails otherwise.
func (f *follower) mended(ctx context.Context, target []byte) bool {
	f.mu.Lock()
	last := f.last
	f.mu.Unlock()
	if last.fault == "" || last.retry || f.differs(target) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-f.turn:
	}
	defer func() { f.turn <- struct{}{} }()
	_, _, err := f.read(ctx)
	return ctx.Err() == nil && (err == nil || err.Error() != last.fault)
}

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (s *Source) log() *slog.Logger { return cmp.Or(s.Logger, slog.New(slog.DiscardHandler)) }
