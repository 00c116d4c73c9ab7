package notrip

import (
	"bytes"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestOddAuthoritiesOfAllShards looks for the names of all hosts in each shard: the
// hash of an odd spelling, as "A.test", leads to any of them.
func TestOddAuthoritiesOfAllShards(t *testing.T) {
	cors := policy.CORS{AllowOrigins: []string{"https://app.example"}}
	set := policytest.Compile(t,
		policy.Spec{Name: "a", Hosts: []string{"a.test"}, CORS: cors},
		policy.Spec{Name: "b", Hosts: []string{"b.test"}, CORS: cors},
	)
	res, err := Compile(set, Options{Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Resources {
		for _, name := range []string{`a\.test`, `b\.test`} { // as an expression
			if !bytes.Contains(r.Filter.GetValue(), []byte(name)) {
				t.Errorf("%s does not ask about what may be %s", r.Name, name)
			}
		}
	}
}
