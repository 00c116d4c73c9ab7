package doctor_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy"
)

// generated are configurations that "corsgate envoy-config" prints: each profile, and each
// flag at least once.
var generated = map[string]envoy.Config{
	"no-trip, delivered":             {Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, NamedPolicies: true}},
	"no-trip, delivered in shards":   {Profile: envoy.NoTrip, Compiled: envoy.Compiled{ECDS: true, Shards: 16, Ports: []uint16{8443}, Reply: notrip.ByLua, PolicyNames: true}},
	"no-trip, delivered and closed":  {Profile: envoy.NoTrip, Fail: envoy.FailClosed, RouteName: true, MessageTimeout: 250 * time.Millisecond, Compiled: envoy.Compiled{ECDS: true}},
	"no-trip, files and a service":   {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Feed: envoy.WholeFeed, Stats: true, NamedPolicies: true}},
	"no-trip, files alone":           {Profile: envoy.NoTrip, Service: "none"},
	"no-trip, not all fits":          {Profile: envoy.NoTrip, Compiled: envoy.Compiled{Budget: 70_000}},
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

// anyConfig is a configuration with flags of "corsgate envoy-config" by chance.
func anyConfig(r *rand.Rand) envoy.Config {
	c := envoy.Config{
		Profile: pick(r, envoy.Profiles()...), Listen: pick(r, "127.0.0.1:0", "unix:///run/envoy.sock"), Upstream: pick(r, "app.test:80", "unix:///run/app.sock"),
		Service: pick(r, "corsgate.test:9001", "unix:///run/corsgate.sock"), Admin: pick(r, "", "127.0.0.1:9901", "unix:///run/admin.sock"),
		Fail: pick(r, envoy.FailOpen, envoy.FailClosed), MessageTimeout: pick(r, 0, 5*time.Millisecond, time.Minute),
		RouteName: chance(r), AllowCustomMethods: chance(r), MergeSlashes: chance(r),
	}
	if c.Profile != envoy.NoTrip {
		c.MatchBy, c.WithoutOrigin = pick(r, envoy.ByMatcher, envoy.ByRoute), pick(r, envoy.WithoutOriginStrip, envoy.WithoutOriginLeave)
		if c.WithoutOrigin == envoy.WithoutOriginStrip {
			c.ManagedHosts = pick(r, nil, []string{"api.test", "*.shop.test"})
		}
		return c
	}
	c.Compiled = envoy.Compiled{
		ECDS: chance(r), Ports: pick(r, nil, []uint16{8443}, []uint16{8080, 8443}), Shards: pick(r, 0, 2, 5), NamedPolicies: chance(r), PolicyNames: chance(r), Stats: chance(r),
		Feed: pick[uint32](r, 0, 5_000, envoy.WholeFeed), Reply: pick(r, notrip.ByAuthz, notrip.ByLua), Budget: pick(r, 0, 1, 70_000, 180_000),
	}
	if !c.Compiled.ECDS {
		c.Compiled.Folder = "/var/lib/corsgate"
	}
	if alone := !c.Compiled.ECDS && c.Compiled.Budget == 0 && chance(r); alone {
		c.Service, c.Compiled.Feed = "", 0
	}
	return c
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand) bool { return r.IntN(2) == 0 }

// TestAnyGeneratedIsNotAccused reads dumps of configurations with flags by chance, with the
// filters that their policies compile into. Those that were compiled from others are found.
func TestAnyGeneratedIsNotAccused(t *testing.T) {
	set, other := setOf(t, policies), setOf(t, strings.ReplaceAll(policies, "app.example", "new.example"))
	for seed := range uint64(60) {
		c := anyConfig(rand.New(rand.NewPCG(seed, 0)))
		doc, err := c.JSON()
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		if r := examine(t, doctor.Input{Config: doc}); r.Errors+r.Warnings > 0 {
			t.Errorf("%+v: in the bootstrap it finds\n%s", c, text(r))
		}
		if c.Profile != envoy.NoTrip {
			continue
		}
		dump := dumpWithFilters(t, c, doc, set)
		if r := examine(t, doctor.Input{Config: dump, Policies: set}); r.Errors+r.Warnings > 0 || slices.Contains(codes(r), "filter-out-of-date") {
			t.Errorf("%+v: it finds\n%s", c, text(r))
		}
		if r := examine(t, doctor.Input{Config: dump, Policies: other}); !slices.Contains(codes(r), "filter-out-of-date") && c.Compiled.Budget == 0 {
			t.Errorf("%+v: of other policies it finds\n%s", c, text(r))
		}
	}
}

// dumpWithFilters is a config dump of an Envoy that has what the policies compile into.
func dumpWithFilters(t *testing.T, c envoy.Config, bootstrap []byte, set *policy.Set) []byte {
	t.Helper()
	compiled, err := c.Compile(set)
	if err != nil {
		t.Fatal(err)
	}
	var list []any
	for _, r := range compiled.Resources {
		filter, err := protojson.Marshal(&core.TypedExtensionConfig{Name: r.Name, TypedConfig: r.Filter})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, object{"version_info": r.Version, "ecds_filter": json.RawMessage(filter)})
	}
	var b object
	if err := json.Unmarshal(bootstrap, &b); err != nil {
		t.Fatal(err)
	}
	return encode(t, dumpOf(b, object{"@type": "x/EcdsConfigDump", "ecds_filters": list}))
}
