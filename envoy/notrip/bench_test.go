package notrip

import (
	"fmt"
	"slices"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// manyPolicies returns specs with a host and so many origins each.
func manyPolicies(policies, origins int) []policy.Spec {
	specs := make([]policy.Spec, policies)
	for i := range specs {
		s := &specs[i]
		s.Name, s.Hosts = fmt.Sprintf("api-%d", i), []string{fmt.Sprintf("api-%d.example.com", i)}
		s.CORS.AllowMethods, s.CORS.AllowHeaders = []string{"PUT"}, []string{"content-type", "authorization"}
		for o := range origins {
			s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("https://app-%d-%d.example.org", i, o))
		}
	}
	return specs
}

func BenchmarkCompile(b *testing.B) {
	valid, problems := policy.Validate(manyPolicies(2000, 100))
	if problems.HasErrors() {
		b.Fatal(problems)
	}
	set := policy.Compile(valid)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(set, Options{Shards: 64, Feed: true, Budget: 1 << 30}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompileNext compiles sets that differ in one origin of one policy.
func BenchmarkCompileNext(b *testing.B) {
	specs := manyPolicies(2000, 100)
	var sets []*policy.Set
	for _, origin := range []string{"https://one.example.org", "https://other.example.org"} {
		specs[7].CORS.AllowOrigins = append(slices.Clone(specs[7].CORS.AllowOrigins[:100]), origin)
		valid, problems := policy.Validate(specs)
		if problems.HasErrors() {
			b.Fatal(problems)
		}
		sets = append(sets, policy.Compile(valid))
	}
	c := NewCompiler(Options{Shards: 64, Feed: true, Budget: 1 << 30})
	if _, err := c.Compile(sets[1]); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Compile(sets[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}
