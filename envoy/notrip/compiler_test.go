package notrip

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// hostsOfShards returns a host of each shard.
func hostsOfShards(shards int) []string {
	hosts := make([]string, shards)
	for i, found := 0, 0; found < shards; i++ {
		host := fmt.Sprintf("h%d.test", i)
		for n, keys := range shard([]string{host}, shards) {
			if len(keys) > 0 && hosts[n] == "" {
				hosts[n] = host
				found++
			}
		}
	}
	return hosts
}

// sameShard returns another host of the shard.
func sameShard(host string, shards int) string {
	for i := 0; ; i++ {
		other := fmt.Sprintf("other%d.test", i)
		for _, keys := range shard([]string{host, other}, shards) {
			if len(keys) == 2 {
				return other
			}
		}
	}
}

// TestWhatIsCompiledAgain changes a set, and changes it back. Each resource has to be what
// it is from scratch, and those that nothing has changed for are not made again.
func TestWhatIsCompiledAgain(t *testing.T) {
	const shards = 4
	hosts := hostsOfShards(shards)
	named := func(name string, change func(*policy.Spec)) policy.Spec {
		s := api(change)
		s.Name = name
		return s
	}
	on := func(host string, change func(*policy.Spec)) policy.Spec {
		return named("on-"+host[:2], func(s *policy.Spec) {
			s.Hosts = []string{host}
			change(s)
		})
	}
	same := func(*policy.Spec) {}
	everywhere := func(path string, change func(*policy.Spec)) policy.Spec {
		return named("everywhere", func(s *policy.Spec) {
			s.Hosts, s.Paths = nil, []string{path}
			change(s)
		})
	}
	origins := func(list ...string) func(*policy.Spec) {
		return func(s *policy.Spec) { s.CORS.AllowOrigins = list }
	}
	denied := func(d policy.DeniedRequests) func(*policy.Spec) {
		return func(s *policy.Spec) { s.DeniedRequests = d }
	}
	rehearsal := func(host, path string) policy.Spec {
		return named("rehearsal", func(s *policy.Spec) { s.Hosts, s.Paths, s.Mode = []string{host}, []string{path}, policy.ModeShadow })
	}
	first, second := on(hosts[0], same), on(hosts[1], same)
	for name, c := range map[string]struct {
		before, after []policy.Spec
		again         int
	}{
		"nothing":                 {[]policy.Spec{first, second}, []policy.Spec{first, second}, 0},
		"the order":               {[]policy.Spec{first, second}, []policy.Spec{second, first}, 0},
		"an origin":               {[]policy.Spec{first, second}, []policy.Spec{first, on(hosts[1], origins("https://other.example"))}, 1},
		"an app's origin":         {[]policy.Spec{first, second}, []policy.Spec{first, on(hosts[1], origins("app://x"))}, shards},
		"a host":                  {[]policy.Spec{first}, []policy.Spec{first, second}, shards},
		"what another blocks":     {[]policy.Spec{first, on(hosts[1], denied(policy.DeniedBlock))}, []policy.Spec{first, on(hosts[1], denied(policy.DeniedBlockUnsafe))}, shards},
		"a rehearsal":             {[]policy.Spec{first, second}, []policy.Spec{first, second, rehearsal(hosts[0], "/")}, 1},
		"the path of a rehearsal": {[]policy.Spec{first, rehearsal(hosts[0], "/a")}, []policy.Spec{first, rehearsal(hosts[0], "/a;b")}, 1},
		"the host of a rehearsal": {[]policy.Spec{first, rehearsal(hosts[2], "/")}, []policy.Spec{first, rehearsal(sameShard(hosts[2], shards), "/")}, shards},
		"a path that is read in two ways": {
			[]policy.Spec{everywhere("/a", same)}, []policy.Spec{everywhere("/a;b", same)}, shards,
		},
		"a policy for every host": {
			[]policy.Spec{first, second, everywhere("/", same)}, []policy.Spec{first, second, everywhere("/", origins("https://other.example"))}, shards,
		},
		"a host with a star": {
			[]policy.Spec{first, named("star", func(s *policy.Spec) { s.Hosts = []string{"*.example"} })}, []policy.Spec{first, named("star", func(s *policy.Spec) { s.Hosts = []string{"*.example"}; s.CORS.AllowMethods = []string{"PUT"} })}, shards,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Shards: shards, Ask: asking(), AskBlocking: asking(), Feed: true, NamedPolicies: true}
			compiler := NewCompiler(o)
			var last *Result
			for _, specs := range [][]policy.Spec{c.before, c.after, c.before} {
				set := policytest.Compile(t, specs...)
				whole, err := Compile(set, o)
				if err != nil {
					t.Fatal(err)
				}
				next, err := compiler.Compile(set)
				if err != nil {
					t.Fatal(err)
				}
				again := 0
				for i, r := range next.Resources {
					if !bytes.Equal(r.Encoded, whole.Resources[i].Encoded) || r.Version != whole.Resources[i].Version || r.Stamp != whole.Resources[i].Stamp {
						t.Errorf("%s is not what it is from scratch", r.Name)
					}
					if last == nil || &r.Encoded[0] != &last.Resources[i].Encoded[0] {
						again++
					}
				}
				if last != nil && again != c.again {
					t.Errorf("%d resources are compiled again, want %d", again, c.again)
				}
				last = next
			}
		})
	}
}

// TestStampsOfSetsAreCompiledAgain has the hash of the set in each resource.
func TestStampsOfSetsAreCompiledAgain(t *testing.T) {
	compiler := NewCompiler(Options{Feed: true, StampSet: true})
	for _, name := range []string{"a", "b"} {
		set := policytest.Compile(t, api(func(s *policy.Spec) { s.Name, s.Mode = name, policy.ModeShadow }))
		res, err := compiler.Compile(set)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Resources[0].Stamp; got != set.Hash() {
			t.Errorf("stamped with %s, want %s", got, set.Hash())
		}
	}
}

// TestBytesAreKeptOnce holds that a filter is a part of what is delivered.
func TestBytesAreKeptOnce(t *testing.T) {
	r := compileSpecs(t, Options{}, api(func(*policy.Spec) {})).Resources[0]
	filter := r.Filter.GetValue()
	if &filter[len(filter)-1] != &r.Encoded[len(r.Encoded)-1] {
		t.Error("the filter has bytes of its own")
	}
}
