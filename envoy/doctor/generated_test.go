package doctor_test

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// generated are configurations that "corsgate envoy-config" prints: each profile, and each
// flag at least once.
var generated = map[string]envoy.Config{
	"no-trip, delivered":             {Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, NamedPolicies: true}},
	"no-trip, delivered in shards":   {Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, Shards: 16, Ports: []uint16{8443}, Reply: notrip.ByLua, PolicyNames: true}},
	"no-trip, delivered and closed":  {Profile: envoy.NoTrip, Fail: envoy.FailClosed, RouteName: true, MessageTimeout: 250 * time.Millisecond, Compiled: envoy.Compiled{ECDS: true}},
	"no-trip, files and a service":   {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Feed: envoy.WholeFeed, Stats: true, NamedPolicies: true}},
	"no-trip, files alone":           {Profile: envoy.NoTrip, Service: "none"},
	"no-trip, files in shards":       {Profile: envoy.NoTrip, Service: "none", Compiled: envoy.Compiled{Shards: 4, Reply: notrip.ByLua}},
	"one-trip":                       {Profile: envoy.OneTrip},
	"one-trip, managed hosts":        {Profile: envoy.OneTrip, ManagedHosts: []string{"api.test", "*.shop.test"}},
	"one-trip, leave":                {Profile: envoy.OneTrip, WithoutOrigin: envoy.WithoutOriginLeave},
	"one-trip, by route":             {Profile: envoy.OneTrip, MatchBy: envoy.ByRoute},
	"one-trip, by route and managed": {Profile: envoy.OneTrip, MatchBy: envoy.ByRoute, ManagedHosts: []string{"api.test", "*.shop.test"}},
	"one-trip, closed":               {Profile: envoy.OneTrip, Fail: envoy.FailClosed, RouteName: true, AllowCustomMethods: true, MergeSlashes: true},
	"one-trip, patient":              {Profile: envoy.OneTrip, MessageTimeout: time.Minute},
	"two-phase":                      {Profile: envoy.TwoPhase},
	"two-phase, by route and closed": {Profile: envoy.TwoPhase, MatchBy: envoy.ByRoute, Fail: envoy.FailClosed},
	"ext-authz":                      {Profile: envoy.ExtAuthz},
	"ext-authz, by route":            {Profile: envoy.ExtAuthz, MatchBy: envoy.ByRoute, Fail: envoy.FailClosed, RouteName: true},
	"ext-authz, managed hosts":       {Profile: envoy.ExtAuthz, ManagedHosts: []string{"api.test", "*.shop.test"}},
	"ext-authz, leave":               {Profile: envoy.ExtAuthz, WithoutOrigin: envoy.WithoutOriginLeave},
}

// TestGeneratedIsNotAccused runs what is generated, and finds neither an error nor a
// warning in it, nor in its answers.
func TestGeneratedIsNotAccused(t *testing.T) {
	s := startStack(t, "127.0.0.1:0")
	for name, c := range generated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := envoytest.Start(t, encode(t, s.bootstrap(t, c)))
			await(t, s, e, "nothing", func(r doctor.Report) bool { return r.Errors+r.Warnings == 0 })
			if r := s.probe(t, e); r.Errors > 0 || r.Probes < 20 {
				t.Errorf("%d requests: %s", r.Probes, text(r))
			}
			if r := examine(t, s.input(t, e)); r.Errors+r.Warnings > 0 {
				t.Errorf("after requests: %s", text(r))
			}
		})
	}
}

// TestGeneratedFilesAreNotAccused reads what is generated as it is, before any Envoy runs
// it.
func TestGeneratedFilesAreNotAccused(t *testing.T) {
	for name, c := range generated {
		if c.Profile == envoy.NoTrip && !c.Compiled.ECDS {
			c.Compiled.Folder = "/var/lib/corsgate"
		}
		if r := examine(t, doctor.Input{Config: encode(t, written(t, c))}); r.Errors+r.Warnings > 0 {
			t.Errorf("%s:\n%s", name, text(r))
		}
	}
}
