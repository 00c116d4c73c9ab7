package notrip

import (
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	hashing "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/consistent_hashing/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/corsgate/corsgate/policy"
)

// Root returns the filter in Envoy's configuration that finds the resources of the
// options. It is the filter itself by its discovery, or a composite that finds the
// resource of an authority by its hash. It never changes with the policies. It names each
// resource in one action, since Envoy would copy the resource for each action. If a
// resource is missing, or if Envoy has refused its first version, Envoy asks about
// everything; otherwise it would answer 500. sourceOf returns where Envoy finds a
// resource; Root fills in the default and the type.
func Root(o Options, sourceOf func(name string) *core.ExtensionConfigSource) *hcm.HttpFilter {
	o.Shards = max(o.Shards, 1)
	r := root{Options: o, sourceOf: sourceOf, byDefault: pack(askAll(o))}
	if o.Shards == 1 {
		return &hcm.HttpFilter{ConfigType: &hcm.HttpFilter_ConfigDiscovery{ConfigDiscovery: r.discover(o.ResourceName(0))}}
	}
	c := &composite.Composite{Matcher: r.half(0, o.Shards).GetMatcher()}
	return &hcm.HttpFilter{ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: pack(c)}}
}

// askAll returns a filter that knows no policy.
func askAll(o Options) *composite.Composite {
	c := &compiler{Options: o, set: policy.Compile(new(policy.Valid))}
	c.begin()
	return c.composite(first(c.askOpen(), when{and(has(origin), isPreflight), c.ask(blocksNothing, true)}))
}

// root makes the static part of a configuration.
type root struct {
	Options
	sourceOf  func(name string) *core.ExtensionConfigSource
	byDefault *anypb.Any
}

// half returns the node of the hashes from low up to high.
func (r *root) half(low, high int) node {
	if high-low == 1 {
		name := r.ResourceName(low)
		return action(name, &composite.ExecuteFilterAction{DynamicConfig: &composite.DynamicConfig{Name: name, ConfigDiscovery: r.discover(name)}})
	}
	middle := (low + high) / 2
	upper := custom(request(authority), "hash", &hashing.ConsistentHashing{Threshold: uint32(middle), Modulo: uint32(r.Shards)})
	return first(r.half(low, middle), when{upper, r.half(middle, high)})
}

func (r *root) discover(name string) *core.ExtensionConfigSource {
	source := r.sourceOf(name)
	source.DefaultConfig = r.byDefault
	source.TypeUrls = []string{"type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite"}
	return source
}
