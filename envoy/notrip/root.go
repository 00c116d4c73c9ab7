package notrip

import (
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	hashing "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/consistent_hashing/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/corsgate/corsgate/policy"
)

// Root returns what stands in Envoy's configuration for the resources of the options:
// the filter itself by its discovery, or a composite that finds the resource of an
// authority by its hash. It never changes with the policies, and names each resource
// in one action: an action for each host would copy the resource. What is not there,
// or was refused from the first, asks about everything: without that Envoy would
// answer 500. pathOf returns the file of a resource.
func Root(o Options, pathOf func(name string) string) *hcm.HttpFilter {
	r := root{shards: max(o.Shards, 1), pathOf: pathOf, byDefault: pack(askAll(o))}
	if r.shards == 1 {
		return &hcm.HttpFilter{ConfigType: &hcm.HttpFilter_ConfigDiscovery{ConfigDiscovery: r.discover(resourceName)}}
	}
	c := &composite.Composite{Matcher: r.half(0, r.shards).GetMatcher()}
	return &hcm.HttpFilter{ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: pack(c)}}
}

// askAll returns a filter that knows no policy.
func askAll(o Options) *composite.Composite {
	c := &compiler{Options: o, set: policy.Compile(new(policy.Valid)), chains: chains{}}
	return c.composite(first(c.askOpen(), when{and(has(origin), isPreflight), c.ask(nil, true)}))
}

// root makes the static part of a configuration.
type root struct {
	shards    int
	pathOf    func(name string) string
	byDefault *anypb.Any
}

// half returns the node of the hashes from low up to high.
func (r *root) half(low, high int) node {
	if high-low == 1 {
		name := nameOf(low, r.shards)
		return action(name, &composite.ExecuteFilterAction{DynamicConfig: &composite.DynamicConfig{Name: name, ConfigDiscovery: r.discover(name)}})
	}
	middle := (low + high) / 2
	upper := custom(request(authority), "hash", &hashing.ConsistentHashing{Threshold: uint32(middle), Modulo: uint32(r.shards)})
	return first(r.half(low, middle), when{upper, r.half(middle, high)})
}

// discover reads a filter from a file, and again when the file is replaced.
func (r *root) discover(name string) *core.ExtensionConfigSource {
	return &core.ExtensionConfigSource{
		ConfigSource: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_PathConfigSource{PathConfigSource: &core.PathConfigSource{Path: r.pathOf(name)}},
			InitialFetchTimeout:   durationpb.New(15 * time.Second),
		},
		DefaultConfig: r.byDefault,
		TypeUrls:      []string{"type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite"},
	}
}
