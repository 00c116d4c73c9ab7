package recent

import (
	"crypto/sha256"
	"maps"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// MaxOrigins is how many origins of a policy are counted one by one, and maxCounted how
// many of all policies.
const (
	MaxOrigins = 1024
	maxCounted = 16 * MaxOrigins
)

// use is how often the origins of a policy were allowed.
type use struct {
	hash       [sha256.Size]byte // of the policy
	since      time.Time
	seen, kept uint64 // by then
	origins    map[string]uint64
	others     uint64
}

// Use is how often the origins of a policy were allowed, as far as is known.
type Use struct {
	// Since is when the policy began to serve as it is.
	Since time.Time
	// Seen is how many decisions of all policies there were since then, and Kept how many
	// of them were looked at.
	Seen, Kept uint64
	// Origins says how often each origin was allowed, of those that were looked at.
	// Others counts those of further origins.
	Origins map[string]uint64
	Others  uint64
}

// Prepare implements live.Sink: it forgets what is known of policies that changed.
func (ds *Decisions) Prepare(set *policy.Set) (commit func(), err error) {
	return func() { ds.keep(set) }, nil
}

func (ds *Decisions) keep(set *policy.Set) {
	now := time.Now()
	ds.mu.Lock()
	defer ds.mu.Unlock()
	next := make(map[string]*use, len(set.Names()))
	ds.counted = 0
	for _, name := range set.Names() {
		p, _ := set.Policy(name)
		u := ds.uses[name]
		if u == nil || u.hash != p.Hash {
			u = &use{hash: p.Hash, since: now, seen: ds.seen(), kept: ds.kept}
		}
		next[name] = u
		ds.counted += len(u.origins)
	}
	ds.uses = next
}

// count counts an origin that a policy allows. The caller holds the lock.
func (ds *Decisions) count(origin string, v *policy.Verdict) {
	u := ds.uses[v.Policy]
	if u == nil || !v.Reason.Allows() {
		return
	}
	if _, known := u.origins[origin]; known {
		u.origins[origin]++
		return
	}
	if len(u.origins) == MaxOrigins || ds.counted == maxCounted || len(origin) > printable.MaxBytes {
		u.others++
		return
	}
	if u.origins == nil {
		u.origins = map[string]uint64{}
	}
	u.origins[strings.Clone(origin)] = 1
	ds.counted++
}

// Use returns the use of the policy of that name; ok is false if it does not serve.
func (ds *Decisions) Use(name string) (u Use, ok bool) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	of := ds.uses[name]
	if of == nil {
		return Use{}, false
	}
	return Use{
		Since: of.since.UTC(), Seen: ds.seen() - of.seen, Kept: ds.kept - of.kept,
		Origins: maps.Clone(of.origins), Others: of.others,
	}, true
}
