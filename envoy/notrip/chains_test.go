package notrip

import (
	"bytes"
	"strings"
	"testing"

	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestChainsOfOneHash has another chain stand under the name that a chain would get:
// both are kept.
func TestChainsOfOneHash(t *testing.T) {
	chain := func(own chains, name string) string {
		return own.run("x", extension(name, &headers.HeaderMutation{})).GetAction().GetName()
	}
	own := chains{}
	name := chain(own, "a")
	other := chains{}
	own[name] = other[chain(other, "b")] // as if their hashes began alike
	longer := chain(own, "a")
	if again := chain(own, "a"); again != longer || len(own) != 2 || !strings.HasPrefix(longer, name) || longer == name {
		t.Errorf("a chain is called %s and then %s beside %s, of %d", longer, again, name, len(own))
	}
}

// TestGrantedWithoutHeaders looks for the list of requested headers in the answers to
// preflights that have one, and that have none.
func TestGrantedWithoutHeaders(t *testing.T) {
	c := newCompiler(policytest.Compile(t, api(func(s *policy.Spec) {
		s.PreflightLists, s.CORS.AllowHeaders = policy.ListsRequested, []string{"x-a"}
		s.AllowPrivateNetwork, s.Dangerously = true, []policy.OptIn{policy.OptInPrivateNetworkAccess}
	})), Options{}, memory{})
	for want, skip := range map[bool][]policy.Source{true: nil, false: {policy.FromHeaders}} {
		c.begin()
		c.granted(c.policies[0], skip...)
		if len(c.chains) != 2 {
			t.Errorf("%d answers, want one with and one without private networks", len(c.chains))
		}
		for name, chain := range c.chains {
			if got := bytes.Contains(pack(chain).GetValue(), []byte(requestHeaders)); got != want {
				t.Errorf("%s repeats the list: %v, want %v", name, got, want)
			}
		}
	}
}
