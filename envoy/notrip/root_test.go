package notrip

import (
	"strings"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	"google.golang.org/protobuf/proto"
)

// TestRootAsksByDefault looks at what stands in for a resource that is not there:
// everything is asked about, and without a service preflights are refused and all
// else is stripped.
func TestRootAsksByDefault(t *testing.T) {
	for chain, o := range map[string]Options{"ask.": {Ask: asking(), AskBlocking: asking()}, "needs_service.": {}} {
		filter := &composite.Composite{}
		discovery := Root(o, func(string) *core.ExtensionConfigSource { return &core.ExtensionConfigSource{} }).GetConfigDiscovery()
		if err := discovery.GetDefaultConfig().UnmarshalTo(filter); err != nil {
			t.Fatal(err)
		}
		if err := verify(filter); err != nil {
			t.Error(err)
		}
		branches, others := filter.GetMatcher().GetMatcherList().GetMatchers(), filter.GetMatcher().GetOnNoMatch()
		if len(branches) != 1 || !proto.Equal(branches[0].GetPredicate(), and(has(origin), isPreflight)) {
			t.Fatalf("%s: got the branches %v, want one for preflights", chain, branches)
		}
		preflights, rest := branches[0].GetOnMatch().GetAction().GetName(), others.GetAction().GetName()
		if !strings.HasPrefix(preflights, chain) || !strings.HasPrefix(rest, chain) || (preflights == rest) != (len(o.Ask) > 0) {
			t.Errorf("preflights run %s, others %s, want %s", preflights, rest, chain)
		}
	}
}
