package notrip

import (
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	composite "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	hashing "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/consistent_hashing/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Root returns what stands in Envoy's configuration for so many resources: the filter
// itself by its discovery, or a composite that finds the resource of an authority by
// its hash. It never changes, and names each resource in one action: an action for
// each host would copy the resource. pathOf returns the file of a resource.
func Root(shards int, pathOf func(name string) string) *hcm.HttpFilter {
	if shards <= 1 {
		return &hcm.HttpFilter{ConfigType: &hcm.HttpFilter_ConfigDiscovery{ConfigDiscovery: discover(pathOf(resourceName))}}
	}
	c := &composite.Composite{Matcher: half(0, shards, shards, pathOf).GetMatcher()}
	return &hcm.HttpFilter{ConfigType: &hcm.HttpFilter_TypedConfig{TypedConfig: pack(c)}}
}

// half returns the node of the hashes from low up to high.
func half(low, high, shards int, pathOf func(name string) string) node {
	if high-low == 1 {
		name := nameOf(low, shards)
		return action(name, &composite.ExecuteFilterAction{DynamicConfig: &composite.DynamicConfig{Name: name, ConfigDiscovery: discover(pathOf(name))}})
	}
	middle := (low + high) / 2
	upper := custom(request(authority), "hash", &hashing.ConsistentHashing{Threshold: uint32(middle), Modulo: uint32(shards)})
	return first(half(low, middle, shards, pathOf), when{upper, half(middle, high, shards, pathOf)})
}

// discover reads a filter from a file, and again when the file is replaced.
func discover(path string) *core.ExtensionConfigSource {
	return &core.ExtensionConfigSource{
		ConfigSource: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_PathConfigSource{PathConfigSource: &core.PathConfigSource{Path: path}},
			InitialFetchTimeout:   durationpb.New(15 * time.Second),
		},
		TypeUrls: []string{"type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite"},
	}
}
