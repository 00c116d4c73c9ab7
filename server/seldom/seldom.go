// Package seldom logs what clients may bring about as often as they like.
package seldom

import (
	"sync"
	"time"
)

// Interval is how often one kind of thing is logged at most.
const Interval = 10 * time.Second

// Log logs one kind of thing at most once in each Interval, with how many times it was
// not logged since. The zero Log is ready, and is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	last    time.Time // zero before the first
	skipped uint64
}

// Tell logs by a method of a logger, if it is time to. It adds how often it was not.
func (l *Log) Tell(log func(message string, args ...any), message string, args ...any) {
	if skipped, ok := l.due(time.Now()); ok {
		log(message, append(args, "not_logged_before", skipped)...)
	}
}

// due reports whether it is time to log, and how often it was not.
func (l *Log) due(now time.Time) (skipped uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.Sub(l.last) < Interval {
		l.skipped++
		return 0, false
	}
	skipped, l.last, l.skipped = l.skipped, now, 0
	return skipped, true
}
