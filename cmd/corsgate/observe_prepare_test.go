package main

import (
	"log/slog"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestPoliciesThatGoAreForgottenAfterTheNewOnesAreEncoded denies a request by
// the old policy while the new set is encoded.
func TestPoliciesThatGoAreForgottenAfterTheNewOnesAreEncoded(t *testing.T) {
	sets := map[string]*policy.Set{}
	for _, name := range []string{"old", "new"} {
		set := policytest.Compile(t, policy.Spec{Name: name, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
		sets[name] = set
	}
	o := (&observeConfig{}).build("", nil, slog.New(slog.DiscardHandler))
	o.denied.Advise = nil
	o.prepare(sets["new"], func(*policy.Set) {
		r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://evil.test"}
		d := sets["old"].Decide(&r)
		o.denied.Observe(t.Context(), &r, &d)
		if list := o.denied.List(); len(list.Policies) != 1 {
			t.Errorf("while the new set is encoded: %+v", list)
		}
	})
	if list := o.denied.List(); len(list.Policies) != 0 {
		t.Errorf("the old policy is kept: %+v", list)
	}
}
