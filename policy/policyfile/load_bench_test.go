package policyfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// BenchmarkLoad loads one policy of 300,000 origins in a group file, from bytes to
// the set.
func BenchmarkLoad(b *testing.B) {
	var origins strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&origins, "https://tenant-%06d.example.com\n", i)
	}
	fsys := files("p.yaml", `originGroups: {tenants: {file: tenants.txt}}
policies: [{name: api, cors: {allowOrigins: ["group:tenants"], allowMethods: [PUT], allowCredentials: true}}]
`, "tenants.txt", origins.String())
	for b.Loop() {
		r := Load(fsys, "")
		if len(r.Diagnostics) > 0 {
			b.Fatal(r.Diagnostics)
		}
		policy.Compile(r.Policies)
	}
}
