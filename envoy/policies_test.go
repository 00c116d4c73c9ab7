package envoy_test

import (
	"os"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

func TestSamplePoliciesAreValidWithoutWarnings(t *testing.T) {
	res := policyfile.Load(os.DirFS("policies"), "policies")
	for _, d := range res.Diagnostics {
		t.Error(d)
	}
	if res.HasErrors() || len(res.Policies.Specs()) == 0 {
		t.Error("there are no policies")
	}
}

func TestDemoPolicyIsTheSample(t *testing.T) {
	want, err := os.ReadFile("policies/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if string(envoy.DemoPolicy()) != string(want) {
		t.Error("the embedded policy differs from policies/demo.yaml")
	}
	envoy.DemoPolicy()[0] = 'x'
	if string(envoy.DemoPolicy()) != string(want) {
		t.Error("a caller can change the embedded policy")
	}
}
