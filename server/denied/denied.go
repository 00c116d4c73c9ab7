package denied

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// The bounds of what a Tracker keeps.
const (
	// maxPolicies is how many policies are tracked: those that denied something
	// first.
	maxPolicies = 512
	// maxOrigin is how many bytes of an origin are kept, as in Envoy's access log.
	maxOrigin = 256
	// maxAsked is how many bytes of requested methods and headers are kept.
	maxAsked = 256
)

// The defaults of Tracker's fields.
const (
	DefaultEvery = 5 * time.Minute
	// tellMost bounds how many lines the log gets at once.
	tellMost = 20
)

// Advice is what to do about a denied origin.
type Advice struct {
	// Nearest is the nearest entry of the policy, and why it does not match. It is
	// empty if nothing is near.
	Nearest string
	// Allow is the line of the policy file that would allow it. It is empty if
	// there is none, as for an origin that is malformed or a stranger's.
	Allow string
	// Allowed says that the policies that serve now allow it.
	Allowed bool
}

// Tracker keeps the most frequent denied origins. The zero Tracker is ready to
// use, and gives no advice. It is safe for concurrent use. Do not change its
// fields after the first call. It implements server.Observer.
type Tracker struct {
	// Advise returns what to do about a request that the policy of that name has
	// denied. The request has Origin, RequestMethod and RequestHeaders. nil means
	// no advice.
	Advise func(policy string, r *policy.Request) Advice
	// Logger gets the most frequent ones from time to time; nil means no log.
	Logger *slog.Logger
	// Every is how often; 0 means DefaultEvery.
	Every time.Duration

	once sync.Once
	seed maphash.Seed

	mu        sync.Mutex
	byPolicy  map[string]*top // guarded by mu
	untracked uint64          // guarded by mu; denials of policies beyond maxPolicies
}

// Observe implements server.Observer. Denials by policies in shadow count,
// too.
func (t *Tracker) Observe(_ context.Context, r *policy.Request, d *policy.Decision) {
	if d.Reason.Denies() && (r.Origin != "" || d.Reason == policy.ReasonPolicyUnknown) {
		t.add(d.Policy, keyOf(r, d.Reason))
	}
	if d.Shadow.Answer != nil && d.Shadow.Reason.Denies() {
		t.add(d.Shadow.Policy, keyOf(r, d.Shadow.Reason))
	}
}

// keyOf returns the key of a denial; it shares memory with r.
func keyOf(r *policy.Request, reason policy.Reason) key {
	k := key{origin: clip(r.Origin, maxOrigin), reason: reason}
	switch reason {
	case policy.ReasonPolicyUnknown:
		k.asked = clip(r.Policy, maxAsked)
		k.clipped = len(r.Policy) > maxAsked
	case policy.ReasonPreflightMethodDenied:
		k.asked = clip(r.RequestMethod, maxAsked)
		k.clipped = len(r.RequestMethod) > maxAsked
	case policy.ReasonPreflightHeaderDenied:
		k.asked = clipList(r.RequestHeaders, maxAsked)
		k.clipped = len(r.RequestHeaders) > maxAsked
	}
	return k
}

func (k key) clone() key {
	k.origin, k.asked = strings.Clone(k.origin), strings.Clone(k.asked)
	return k
}

func clip(s string, most int) string { return s[:min(len(s), most)] }

// clipList is clip for names with commas between them. It keeps only whole
// names, unless not even the first one fits.
func clipList(s string, most int) string {
	if len(s) <= most {
		return s
	}
	if comma := strings.LastIndexByte(s[:most+1], ','); comma > 0 {
		return s[:comma]
	}
	return s[:most]
}

func (t *Tracker) add(name string, k key) {
	t.once.Do(t.setup)
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	top := t.byPolicy[name]
	if top == nil {
		if len(t.byPolicy) >= maxPolicies {
			t.untracked++
			return
		}
		top = newTop()
		t.byPolicy[name] = top
	}
	top.add(k, now, t.seed, key.clone)
}

func (t *Tracker) setup() {
	t.seed = maphash.MakeSeed()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byPolicy = map[string]*top{}
}

// Prepare implements live.Sink: it forgets the policies that a set no longer has.
func (t *Tracker) Prepare(set *policy.Set) (commit func(), err error) {
	keep := map[string]bool{"": true}
	for _, name := range set.Names() {
		keep[name] = true
	}
	return func() { t.keep(keep) }, nil
}

// keep forgets all policies but these.
func (t *Tracker) keep(names map[string]bool) {
	t.once.Do(t.setup)
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.byPolicy, func(name string, _ *top) bool { return !names[name] })
}

// Run logs the most frequent origins that were denied since the last time. It
// does so from time to time until ctx ends, and then once more.
func (t *Tracker) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(t.Every, DefaultEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.tell()
			return nil
		case <-tick.C:
			t.tell()
		}
	}
}

// tell logs the origins that have come most since the log last had them.
func (t *Tracker) tell() {
	if t.Logger == nil {
		return
	}
	until := time.Now().Add(adviceTime)
	for _, n := range t.news() {
		if o := t.origin(n.policy, n.entry, until); o != nil {
			t.Logger.Info("an origin is denied", "policy", n.policy, "origin", o.Origin, "reason", o.Reason, "asked", o.Asked,
				"times", n.times, "nearest", o.Nearest, "allow", o.Allow)
		}
	}
}

// news is an entry of a policy, and how often it came since the log last had
// it.
type news struct {
	policy string
	times  uint64
	entry
}

// news returns the entries that have come most, and notes that the log has
// them. It sorts without the lock, since requests wait for that.
func (t *Tracker) news() []news {
	t.once.Do(t.setup)
	come := t.untold()
	slices.SortFunc(come, func(a, b news) int {
		return cmp.Or(cmp.Compare(b.times, a.times), cmp.Compare(a.policy, b.policy), a.compare(&b.entry))
	})
	come = come[:min(len(come), tellMost)]
	t.noteTold(come)
	return come
}

// untold returns copies of the entries that came since the log last had them.
func (t *Tracker) untold() []news {
	t.mu.Lock()
	defer t.mu.Unlock()
	var come []news
	for name, top := range t.byPolicy {
		for _, e := range top.entries {
			if e.count > e.told {
				come = append(come, news{name, e.count - e.told, e})
			}
		}
	}
	return come
}

// noteTold notes what the log has. Since the entries were copied, they may
// have moved or gone. Those that began again are still to be logged.
func (t *Tracker) noteTold(told []news) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range told {
		top := t.byPolicy[n.policy]
		if top == nil {
			continue
		}
		i, ok := top.index[n.key]
		if ok && n.count <= top.entries[i].count {
			top.entries[i].told = max(top.entries[i].told, n.count)
		}
	}
}
