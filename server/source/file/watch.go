package file

import (
	"cmp"
	"context"
	"time"
)

const (
	// maxBurst is after how many settle times an ongoing burst is looked at.
	maxBurst = 10
	// A difference is told when it was seen alike that often, a settle time
	// apart; the second is for files that end in the middle of a line.
	enoughLooks, cutLooks = 2, 10
)

// Watch calls changed when the content is another than what Read or Snapshot saw
// last, until ctx ends. It returns nil: without notices of the operating
// system it compares alone.
func (s *Source) Watch(ctx context.Context, changed func()) error {
	s.setup()
	w := s.startWatches()
	defer w.close()
	s.follow(ctx, w, changed)
	return nil
}

// follow is Watch with the notices of w.
func (s *Source) follow(ctx context.Context, w *watches, changed func()) {
	f := follower{
		source: s, changed: changed, watches: w,
		settle: cmp.Or(s.Settle, DefaultSettle), timer: time.NewTimer(time.Hour),
	}
	f.timer.Stop()
	defer f.timer.Stop()
	f.compare() // for what changed since it was read
	poll := time.NewTicker(cmp.Or(s.Poll, DefaultPoll))
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-f.watches.events:
			if f.watches.concerns(e) {
				f.note()
			}
		case err := <-f.watches.errors:
			f.watches.log.Warn("a notice of a file change was lost", "error", err)
			f.note()
		case <-s.reads:
			if f.cover() {
				f.note() // it may have changed between the read and now
			}
		case <-poll.C:
			f.compare()
		case <-f.timer.C:
			f.settled()
		}
	}
}

// follower turns notices and comparisons into changes.
type follower struct {
	source  *Source
	changed func()
	watches *watches

	settle time.Duration
	timer  *time.Timer // until a burst of notices has settled
	end    time.Time   // of the burst at the latest; zero if there is no burst
	seen   string      // the difference at the last look; empty when there was none
	looks  int         // how often in a row it was that
}

// cover watches what is of interest now, and reports whether that is more than
// before. It does so until nothing is new: a folder may come while the one
// above it is not watched yet.
func (f *follower) cover() (more bool) {
	for range maxHops {
		if !f.watches.cover(f.source.interests()) {
			break
		}
		more = true
	}
	return more
}

// note begins a burst of notices, or goes on with it.
func (f *follower) note() {
	now := time.Now()
	if f.end.IsZero() {
		f.end = now.Add(maxBurst * f.settle)
	}
	f.timer.Reset(min(f.settle, f.end.Sub(now)))
}

// compare looks for what no notice told.
func (f *follower) compare() {
	f.cover()
	if f.end.IsZero() { // else it is looked at when the burst has settled
		f.look()
	}
}

// settled ends a burst.
func (f *follower) settled() {
	f.end = time.Time{}
	f.cover()
	f.look()
}

// look tells of a difference that stays. Files may be half written, so that it
// looks more than once.
func (f *follower) look() {
	now, cut := f.source.difference()
	if now != f.seen {
		f.seen, f.looks = now, 0
	}
	if now == "" {
		return
	}
	f.looks++
	if f.looks < enoughLooks || cut && f.looks < cutLooks {
		f.note()
		return
	}
	f.seen = ""
	f.changed()
}
