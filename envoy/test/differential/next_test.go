package differential

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestCompileNext compiles sets one after the other, each one change from the one before,
// and compares with what is compiled from scratch.
func TestCompileNext(t *testing.T) {
	const sets = 20
	for i, c := range []envoy.Config{
		{Compiled: envoy.Compiled{Shards: 1}},
		{Compiled: envoy.Compiled{Shards: 5, Feed: envoy.WholeFeed, Ports: []uint16{8080}}},
		{Compiled: envoy.Compiled{Shards: 8, PolicyNames: true, NamedPolicies: true}},
		{Compiled: envoy.Compiled{Shards: 3, Budget: 100_000}},
	} {
		t.Run(fmt.Sprintf("%d-shards", c.Compiled.Shards), func(t *testing.T) {
			t.Parallel()
			c.Profile, c.Compiled.ECDS = envoy.NoTrip, true
			compiler, err := c.Compiler()
			if err != nil {
				t.Fatal(err)
			}
			g := newGen(uint64(i), 77)
			specs := newWorld(t, g, 1).specs[2:10] // few, so that each has something to do with the others
			for range sets {
				set := policytest.Compile(t, specs...)
				next, err := compiler.Compile(set)
				if err != nil {
					t.Fatal(err)
				}
				whole, err := c.Compile(set)
				if err != nil {
					t.Fatal(err)
				}
				compareResults(t, next, whole)
				specs = g.changed(specs)
			}
		})
	}
}

// changed makes a change after which the set is still a good one.
func (g gen) changed(specs []policy.Spec) []policy.Spec {
	for {
		next := g.change(slices.Clone(specs))
		if _, problems := policy.Validate(next); !problems.HasErrors() {
			return next
		}
	}
}

func (g gen) change(specs []policy.Spec) []policy.Spec {
	i, fresh := g.IntN(len(specs)), g.spec(g.IntN(12))
	s := &specs[i]
	switch g.IntN(12) {
	case 0:
		if len(specs) > 5 {
			return slices.Delete(specs, i, i+1)
		}
	case 1, 9:
		fresh.Name += "-new"
		if g.oneIn(3) {
			fresh.Hosts = slices.Clone(s.Hosts)
		}
		return append(specs, fresh)
	case 8:
		g.widen(s)
	case 2:
		fresh.Name, specs[i] = s.Name, fresh
	case 3:
		s.Hosts = fresh.Hosts
	case 4:
		s.Paths = fresh.Paths
	case 5:
		s.DeniedRequests, s.Mode = fresh.DeniedRequests, fresh.Mode
	case 6:
		s.CORS.AllowOrigins = append(slices.Clone(s.CORS.AllowOrigins), fmt.Sprintf("https://new-%d.example", g.IntN(1000)))
	default:
		other := g.IntN(len(specs))
		specs[i], specs[other] = specs[other], specs[i]
	}
	return specs
}

func compareResults(t *testing.T, got, want *notrip.Result) {
	t.Helper()
	for i, r := range want.Resources {
		is := got.Resources[i]
		if is.Name != r.Name || is.Version != r.Version || is.Stamp != r.Stamp || !bytes.Equal(is.Encoded, r.Encoded) || !bytes.Equal(is.Filter.GetValue(), r.Filter.GetValue()) {
			t.Errorf("%s is not what it is from scratch", r.Name)
		}
	}
	if len(got.Resources) != len(want.Resources) || fmt.Sprint(got.Policies()) != fmt.Sprint(want.Policies()) {
		t.Error("what is said of the policies is not what it is from scratch")
	}
}
