package cases

import "slices"

// Profile is a way to run a case.
type Profile string

// The profiles: by itself, and the ways to connect Envoy.
const (
	Decide   Profile = "decide"    // policy.Set.Decide and Respond alone
	OneTrip  Profile = "one-trip"  // ext_proc, request headers only
	TwoPhase Profile = "two-phase" // ext_proc, request and response headers
	ExtAuthz Profile = "ext-authz" // ext_authz
	NoTrip   Profile = "no-trip"   // compiled into Envoy; ext_proc for the rest
)

// Profiles returns all profiles.
func Profiles() []Profile { return []Profile{Decide, OneTrip, TwoPhase, ExtAuthz, NoTrip} }

// asksWithoutOrigin reports whether a request without an Origin is decided
// about at all.
func (p Profile) asksWithoutOrigin() bool { return p == Decide || p == TwoPhase }

func (p Profile) known() bool { return slices.Contains(Profiles(), p) }
