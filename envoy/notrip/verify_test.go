package notrip

import (
	"slices"
	"strings"
	"testing"

	xdscore "github.com/cncf/xds/go/xds/core/v3"
	xds "github.com/cncf/xds/go/xds/type/matcher/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/policy/policytest"
)

// deep returns a node that matches that many times before the action.
func deep(levels int, n node) node {
	for range levels {
		n = first(nil, when{has(origin), n})
	}
	return n
}

func TestVerifyRefusesWhatEnvoyWouldTake(t *testing.T) {
	known := chains{"without filters": {}}
	fine := known.run("fine", extension("pass", &headers.HeaderMutation{}))
	oddly := func(filter *core.TypedExtensionConfig) node {
		return action("oddly", &composite.ExecuteFilterAction{TypedConfig: filter})
	}
	shared := deep(12, fine)
	inner := extension("inner", &composite.Composite{Matcher: first(nil, when{has(origin), fine}).GetMatcher()})
	for _, tc := range []struct {
		name string
		node node
		want string
	}{
		{"a chain that nobody defines", run("unknown"), `the chain "unknown" does not exist`},
		{"a chain without filters", run("without filters"), `the chain "without filters" does not exist`},
		{"a chain that stands around the composite that names it", oddly(inner), "does not exist"},
		{"a chain deep down", deep(10, run("unknown")), `the chain "unknown" does not exist`},
		{"an action that does nothing", action("nothing", &composite.ExecuteFilterAction{}), "an action without a filter"},
		{"a filter without a configuration", oddly(&core.TypedExtensionConfig{Name: "empty"}), "value is required"},
		{"an action without a configuration", &xds.Matcher_OnMatch{OnMatch: &xds.Matcher_OnMatch_Action{Action: &xdscore.TypedExtensionConfig{Name: "empty"}}}, "an extension without a configuration"},
		{"a predicate without a matcher", first(nil, when{&xds.Matcher_MatcherList_Predicate{}, fine}), "value is required"},
		{"more levels at the second place of a node", first(nil, when{has(origin), shared}, when{has(origin), deep(12, shared)}), "deep in each other"},
		{"an expression that is too long", first(nil, when{matches(origin, strings.Repeat("a", 2*maxExpression+1)), fine}), "an expression of 32769 bytes"},
		{"more levels than Envoy reads", deep(40, fine), "deep in each other"},
		{"a kind of message that nobody knows", oddly(&core.TypedExtensionConfig{Name: "odd", TypedConfig: &anypb.Any{TypeUrl: "type.googleapis.com/test.Unknown"}}), "test.Unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			filter := &composite.Composite{NamedFilterChains: known, Matcher: first(nil, when{has(origin), tc.node}).GetMatcher()}
			err := verify(filter)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

// TestCompileVerifies gives the compiler a chain that Envoy would refuse.
func TestCompileVerifies(t *testing.T) {
	_, err := Compile(policytest.Compile(t, api(regex)), Options{Ask: []*core.TypedExtensionConfig{{}}})
	if err == nil || !strings.Contains(err.Error(), Options{}.ResourceName(0)+": compiled filter: ") {
		t.Errorf("got %v, want an error that names the resource", err)
	}
}

// TestExpressionsAreDivided matches more than Envoy's engine takes at once.
func TestExpressionsAreDivided(t *testing.T) {
	one := strings.Repeat("a", 100)
	filter := &composite.Composite{Matcher: first(nil, when{matchesAny(origin, slices.Repeat([]string{one}, 500)), execute("pass", &headers.HeaderMutation{})}).GetMatcher()}
	if err := verify(filter); err != nil {
		t.Error(err)
	}
}
