package store

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"sync"
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
	heard  atomic.Pointer[[]byte]
	outage outage
}

// outage is that the store cannot be watched, or does not answer an audit. What passes
// soon, such as the election of a leader, is not logged. It is safe for concurrent use.
type outage struct {
	mu     sync.Mutex
	since  time.Time // zero while there is none
	logged bool
}

// goesOn notes an outage that has begun at that time, unless an earlier one has not ended.
// It reports whether it is to be logged.
func (o *outage) goesOn(since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = since
	}
	if o.logged || time.Since(o.since) < patience {
		return false
	}
	o.logged = true
	return true
}

// end ends it, and reports whether it was logged.
func (o *outage) end() (logged bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	logged = o.logged
	o.since, o.logged = time.Time{}, false
	return logged
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
		begun := time.Now()
		steady, err := f.watchOnce(ctx)
		if steady {
			pause, begun = firstPause, time.Now()
		}
		if err != nil {
			f.lost(ctx, begun, err)
		}
		sleep(ctx, pause/2+random(pause/2))
		pause = min(2*pause, maxPause)
	}
}

// lost logs why the store cannot be watched since some time, once until it is watched again.
func (f *follower) lost(ctx context.Context, since time.Time, err error) {
	if ctx.Err() == nil && f.outage.goesOn(since) {
		f.log().Warn("the store cannot be watched, the policies go on to serve and it is tried again", "error", err)
	}
}

// found logs that the store is watched again, if it was logged that it is not.
func (f *follower) found() {
	if f.outage.end() {
		f.log().Info("the store is watched again")
	}
}

// watchOnce watches the target until that ends, or an audit does not bear it out: the
// watch may be of a server that hangs, or wait for a revision that an etcd which was set
// back will not have for long. steady tells that it went on for a while.
func (f *follower) watchOnce(ctx context.Context) (steady bool, err error) {
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
	var told *time.Timer
	err = f.Backend.Watch(watching, targetKey, func(target []byte) {
		if told == nil {
			told = time.AfterFunc(maxPause, f.found)
		}
		f.heard.Store(&target)
		f.see(target)
	})
	return told != nil && !told.Stop(), err
}

// audit asks for the target at intervals.
func (f *follower) audit(ctx context.Context) {
	interval := cmp.Or(f.Audit, DefaultAudit)
	for sleep(ctx, interval*3/4+random(interval/2)) {
		begun := time.Now()
		found, err := f.reader.get(ctx, targetKey)
		if err != nil {
			f.lost(ctx, begun, err)
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
