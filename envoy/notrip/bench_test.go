package notrip

import (
	"fmt"
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
