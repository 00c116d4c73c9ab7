package notrip

import (
	"strings"
	"testing"

	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
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
