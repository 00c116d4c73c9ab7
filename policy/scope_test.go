package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestScope(t *testing.T) {
	s := Spec{Hosts: []string{"*.example.com", "API.example.com", "*.api.example.com"}, Paths: []string{"/v1", "/v1/users/"}}
	for _, tc := range []struct {
		name, authority, path string
		want                  Scope
	}{
		{"the exact host and the longest path", "api.example.com:443", "/v1/users/7?x", Scope{"api.example.com", "/v1/users", true, true}},
		{"the longest star", "a.api.example.com", "/v1", Scope{"*.api.example.com", "/v1", true, true}},
		{"a shorter star", "a.b.example.com", "/v1/", Scope{"*.example.com", "/v1", true, true}},
		{"whole segments only", "b.example.com", "/v10", Scope{Host: "*.example.com", HostCovers: true}},
		{"not the apex", "example.com", "/a/../v1", Scope{Path: "/v1", PathCovers: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := s.Scope(tc.authority, tc.path); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
	if all := (&Spec{}).Scope("any", "/"); !all.Covers() {
		t.Error("a spec without hosts and paths does not cover all")
	}
}

// TestScopeAgreesWithSet chooses by the definition what a Set chooses by its
// index.
func TestScopeAgreesWithSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hosts := []string{"", "a.b.c", "*.b.c", "*.c", "b.c", "c", "*.a.b.c", "x.c"}
	paths := []string{"", "/a", "/a/b", "/a/b/c", "/ab"}
	requests := []string{"/", "/a", "/a/", "/a/b", "/a//b/./c", "/ab/c", "/a/b/cd", "/%61/b?/c", "/a/../ab"}
	for range 300 {
		specs := distinctSpecs(rng, hosts, paths)
		set, err := Compile(specs)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			authority, path := hosts[rng.IntN(len(hosts))]+":80", requests[rng.IntN(len(requests))]
			d := set.Decide(&Request{Method: "GET", Authority: authority, Path: path, Origin: "https://o.test"})
			if want := bestByScope(specs, authority, path); d.Policy != want {
				t.Fatalf("%s%s: the set chose %q, the definition %q of %+v", authority, path, d.Policy, want, specs)
			}
		}
	}
}

// distinctSpecs returns specs of which no two have the same host and path.
func distinctSpecs(rng *rand.Rand, hosts, paths []string) []Spec {
	var specs []Spec
	seen := map[string]bool{}
	for range 1 + rng.IntN(8) {
		host, path := hosts[rng.IntN(len(hosts))], paths[rng.IntN(len(paths))]
		if seen[host+path] {
			continue
		}
		seen[host+path] = true
		s := Spec{Name: fmt.Sprintf("p%d", len(specs)), CORS: CORS{AllowOrigins: []string{"*"}}}
		if host != "" {
			s.Hosts = []string{host}
		}
		if path != "" {
			s.Paths = []string{path}
		}
		specs = append(specs, s)
	}
	return specs
}

func bestByScope(specs []Spec, authority, path string) (name string) {
	var best Scope
	for i := range specs {
		sc := specs[i].Scope(authority, path)
		if sc.Covers() && (name == "" || sc.Beats(best)) {
			name, best = specs[i].Name, sc
		}
	}
	return name
}
