// Package policytest makes the sets that tests decide with.
package policytest

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// Compile returns the set of specs; the test fails if they have an error.
func Compile(t testing.TB, specs ...policy.Spec) *policy.Set {
	t.Helper()
	valid, problems := policy.Validate(specs)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return policy.Compile(valid)
}
