package live

import "github.com/corsgate/corsgate/policy"

// served is the set that serves with the specs that it was compiled from.
type served struct {
	set   *policy.Set
	specs []policy.Spec
}

// Served returns the set that serves and the specs that it was compiled from,
// for those who explain it; nil before the first good load. The caller must not
// change them.
func (r *Reloader) Served() (*policy.Set, []policy.Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served.set, r.served.specs
}

// keep notes what Served returns.
func (r *Reloader) keep(set *policy.Set, specs []policy.Spec) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.served = served{set, specs}
}
