package denied_test

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/servertest"
)

// TestPoliciesThatGoAreForgottenWhenTheNewOnesServe denies a request by the old
// policy while the new set is prepared.
func TestPoliciesThatGoAreForgottenWhenTheNewOnesServe(t *testing.T) {
	sets := map[string]*policy.Set{}
	for _, name := range []string{"old", "new"} {
		sets[name] = policytest.Compile(t, policy.Spec{Name: name, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
	}
	tracker := &denied.Tracker{}
	commit := servertest.Prepare(t, tracker, sets["new"])
	r := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://evil.test"}
	d := sets["old"].Decide(&r)
	tracker.Observe(t.Context(), &r, &d)
	if list := tracker.List(); len(list.Policies) != 1 {
		t.Errorf("while the new set is prepared: %+v", list)
	}
	commit()
	if list := tracker.List(); len(list.Policies) != 0 {
		t.Errorf("the old policy is kept: %+v", list)
	}
}
