package feed

import (
	"sync"
	"time"
)

// tellEvery is how often one kind of thing is logged at most.
const tellEvery = 10 * time.Second

// rare logs one kind of thing at most each tellEvery, with how many times it was not
// logged since.
type rare struct {
	mu      sync.Mutex
	last    time.Time // zero before the first
	skipped uint64
}

// tell logs by a method of a logger, if it is time to.
func (r *rare) tell(log func(message string, args ...any), message string, args ...any) {
	if skipped, ok := r.due(time.Now()); ok {
		log(message, append(args, "not_logged_before", skipped)...)
	}
}

// due reports whether it is time to log, and how often it was not.
func (r *rare) due(now time.Time) (skipped uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < tellEvery {
		r.skipped++
		return 0, false
	}
	skipped, r.last, r.skipped = r.skipped, now, 0
	return skipped, true
}
