package metrics

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/servertest"
)

func TestCountsAreThoseOfTheMetrics(t *testing.T) {
	m, set := New("test"), compile(t, "api")
	for range m.Counts() {
		t.Error("something is counted before the first set")
	}
	servertest.Prepare(t, m, set)()
	allowed := policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://app.test"}
	ask(m, set, allowed)
	ask(m, set, policy.Request{Method: "GET", Authority: "api.test", Path: "/", Origin: "https://evil.test"})
	d := set.Decide(&allowed)
	m.Compiled().Observe(t.Context(), &allowed, &d)
	found := map[string]Count{}
	for n := range m.Counts() {
		found[n.Policy] = n
	}
	api, next := found["api"], found["next"]
	if len(found) != 3 || api.Decided[policy.ReasonRequestAllowed] != 2 || api.Decided[policy.ReasonRequestOriginDenied] != 1 || next.Shadow != 2 || next.Differs != 1 {
		t.Errorf("%+v", found)
	}
	for range m.Counts() {
		break // an end in between is heard
	}
}
