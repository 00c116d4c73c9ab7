package live

import "github.com/corsgate/corsgate/policy"

// Served returns the set that serves, for those who explain it; nil before the
// first good load.
func (r *Reloader) Served() *policy.Set { return r.Store.Load() }
