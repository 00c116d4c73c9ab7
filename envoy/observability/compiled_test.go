package observability_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// compiled returns c with filters, if it is of no-trip: of a policy that is asked
// about whole, so that Envoy asks as in one-trip, or of one that is decided by Envoy.
func compiled(t *testing.T, c envoy.Config, o *outage) envoy.Config {
	t.Helper()
	if c.Profile != envoy.NoTrip {
		return c
	}
	if o.follows {
		c.Compiled = envoy.Compiled{ECDS: true, Shards: o.shards}
		return c
	}
	cors := policy.CORS{AllowOriginRegexes: []string{`https://app\.test`}}
	if o.unasked {
		cors = policy.CORS{AllowOrigins: []string{app}}
	}
	spec := policy.Spec{Name: "api", CORS: cors, Dangerously: []policy.OptIn{policy.OptInOriginRegex}}
	o.folder = t.TempDir()
	c.Compiled.Folder, c.Compiled.Shards = o.folder, o.shards
	if o.feed {
		c.Compiled.Feed = envoy.WholeFeed
	}
	envoytest.WriteFilters(t, c, policytest.Compile(t, spec))
	return c
}

// asking is the profile that asks as p does.
func asking(p envoy.Profile) envoy.Profile {
	if p == envoy.NoTrip {
		return envoy.OneTrip
	}
	return p
}
