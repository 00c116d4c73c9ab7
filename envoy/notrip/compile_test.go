package notrip_test

import (
	"bytes"
	"fmt"
	"testing"

	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/policytest"
)

// all are options that differ from the zero ones.
var all = notrip.Options{Shards: 16, Ports: []uint16{8443, 80}, NamedPolicies: true, PolicyNames: true, Reply: notrip.ByLua}

func compile(t *testing.T, set *policy.Set, o notrip.Options) []notrip.Resource {
	t.Helper()
	res, err := notrip.Compile(set, o)
	if err != nil {
		t.Fatal(err)
	}
	return res.Resources
}

func TestTheSameSetGivesTheSameBytes(t *testing.T) {
	files, err := cases.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]notrip.Options{"by default": {}, "with all options": all} {
		var first []notrip.Resource
		for range 3 {
			set, err := cases.Compile(files...)
			if err != nil {
				t.Fatal(err)
			}
			again := compile(t, set, o)
			if first == nil {
				first = again
			}
			for i, r := range again {
				if r.Name != first[i].Name || r.Version != first[i].Version || !bytes.Equal(r.Filter.GetValue(), first[i].Filter.GetValue()) {
					t.Errorf("%s: %s is another one", name, r.Name)
				}
			}
		}
	}
}

// apiSpecs are policies of one host each.
func apiSpecs(n int) (specs []policy.Spec) {
	for i := range n {
		specs = append(specs, policy.Spec{
			Name: fmt.Sprintf("p-%d", i), Hosts: []string{fmt.Sprintf("h-%d.test", i)},
			CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}, AllowCredentials: true},
		})
	}
	return specs
}

// TestAChangeChangesTheShardsOfItsHosts changes one policy after the other. A host
// has an authority for each port.
func TestAChangeChangesTheShardsOfItsHosts(t *testing.T) {
	const policies = 20
	for _, ports := range [][]uint16{nil, {8443, 80}} {
		o := notrip.Options{Shards: 16, Ports: ports}
		before := compile(t, policytest.Compile(t, apiSpecs(policies)...), o)
		for i := range policies {
			specs := apiSpecs(policies)
			specs[i].CORS.AllowOrigins = []string{"https://app.example", "https://next.example"}
			changed := 0
			for j, r := range compile(t, policytest.Compile(t, specs...), o) {
				if r.Version != before[j].Version {
					changed++
				}
			}
			if changed == 0 || changed > 1+len(ports) {
				t.Errorf("policy %d with ports %v: %d shards are others, want 1 to %d", i, ports, changed, 1+len(ports))
			}
		}
	}
}

func TestNamesOfPoliciesAreThereIfAskedFor(t *testing.T) {
	set := policytest.Compile(t, policy.Spec{Name: "a-name-of-its-own", CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}})
	for _, names := range []bool{false, true} {
		r := compile(t, set, notrip.Options{PolicyNames: names})[0]
		if got := bytes.Contains(r.Filter.GetValue(), []byte("a-name-of-its-own")); got != names {
			t.Errorf("the name is there: %v, want %v", got, names)
		}
	}
}

func TestAnswersAreGivenAsAskedFor(t *testing.T) {
	set := policytest.Compile(t, apiSpecs(1)...)
	for reply, want := range map[notrip.Reply]bool{"": false, notrip.ByAuthz: false, notrip.ByLua: true} {
		filter := compile(t, set, notrip.Options{Reply: reply})[0].Filter.GetValue()
		byLua, byAuthz := bytes.Contains(filter, []byte("http.lua.v3")), bytes.Contains(filter, []byte("http.ext_authz.v3"))
		if byLua != want || byAuthz == want {
			t.Errorf("%q answers by Lua: %v, by ext_authz: %v", reply, byLua, byAuthz)
		}
	}
}

// TestEqualAnswersAreThereOnce adds policies that answer alike.
func TestEqualAnswersAreThereOnce(t *testing.T) {
	chains := func(policies int, o notrip.Options) int {
		filter := &composite.Composite{}
		if err := compile(t, policytest.Compile(t, apiSpecs(policies)...), o)[0].Filter.UnmarshalTo(filter); err != nil {
			t.Fatal(err)
		}
		return len(filter.GetNamedFilterChains())
	}
	if one, many := chains(1, notrip.Options{}), chains(50, notrip.Options{}); one != many {
		t.Errorf("one policy has %d chains, 50 have %d", one, many)
	}
	if one, many := chains(1, all), chains(50, all); one >= many {
		t.Errorf("with their names, one policy has %d chains, 50 have %d", one, many)
	}
}

func TestEachResourceHasANameOfItsOwn(t *testing.T) {
	set := policytest.Compile(t, apiSpecs(3)...)
	for shards, want := range map[int][]string{0: {"corsgate"}, 1: {"corsgate"}, 3: {"corsgate-0-of-3", "corsgate-1-of-3", "corsgate-2-of-3"}} {
		var names []string
		for _, r := range compile(t, set, notrip.Options{Shards: shards}) {
			names = append(names, r.Name)
		}
		if fmt.Sprint(names) != fmt.Sprint(want) {
			t.Errorf("%d shards: %q, want %q", shards, names, want)
		}
	}
}

// TestAStampStaysWithItsResource changes the origins of one policy: the resource of its
// host alone is another one, with another stamp. If the stamp is to be the set's hash,
// all are.
func TestAStampStaysWithItsResource(t *testing.T) {
	specs := apiSpecs(20)
	before := policytest.Compile(t, specs...)
	specs[7].CORS.AllowOrigins = []string{"https://other.example"}
	after := policytest.Compile(t, specs...)
	for _, c := range []struct {
		o    notrip.Options
		want int
	}{
		{notrip.Options{Shards: 4}, 1},
		{notrip.Options{Shards: 4, Feed: true}, 1},
		{notrip.Options{Shards: 4, Feed: true, StampSet: true}, 4},
	} {
		changed := 0
		was := compile(t, before, c.o)
		for i, is := range compile(t, after, c.o) {
			if (is.Version == was[i].Version) != (is.Stamp == was[i].Stamp) && c.o.Feed {
				t.Errorf("%+v: the stamp %s of the version %s was %s of %s", c.o, is.Stamp, is.Version, was[i].Stamp, was[i].Version)
			}
			if is.Version != was[i].Version {
				changed++
			}
			if c.o.Feed == (is.Stamp == "") || c.o.StampSet != (is.Stamp == after.Hash()) || !bytes.Contains(is.Filter.GetValue(), []byte(is.Stamp)) {
				t.Errorf("%+v: the stamp is %q", c.o, is.Stamp)
			}
		}
		if changed != c.want {
			t.Errorf("%+v: %d resources changed, want %d", c.o, changed, c.want)
		}
	}
}
