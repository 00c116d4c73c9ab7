package server

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
)

const (
	// Namespace is that of Envoy's metadata, static and dynamic, which the
	// service reads and writes.
	Namespace = "corsgate"
	// PolicyMetadata is the gRPC metadata key that names a policy.
	PolicyMetadata = "x-corsgate-policy"

	policyKey         = "policy"
	maxQuoted         = 256 // bytes of a request that metadata quotes
	routePolicy       = "xds.route_metadata.filter_metadata['" + Namespace + "']." + policyKey
	virtualHostPolicy = "xds.virtual_host_metadata.filter_metadata['" + Namespace + "']." + policyKey
)

// metadataKeys are the response headers that the apply filter sets, and where
// it reads them.
var metadataKeys = map[string]string{
	"access-control-allow-origin":      "allow_origin",
	"access-control-allow-credentials": "allow_credentials",
	"access-control-expose-headers":    "expose_headers",
}

// dynamicMetadata says in Envoy's terms what was decided. A string that is not
// UTF-8 would make the whole answer unmarshalable, so that bytes of a request
// are quoted or, where they must be exact, checked.
func dynamicMetadata(r *policy.Request, d *policy.Decision) *structpb.Struct {
	fields := map[string]*structpb.Value{
		"apply":  structpb.NewStringValue(string(applyOf(d))),
		"reason": structpb.NewStringValue(d.Reason.String()),
	}
	put := func(key, value string) {
		if value != "" && utf8.ValidString(value) {
			fields[key] = structpb.NewStringValue(value)
		}
	}
	put(policyKey, d.Policy)
	for _, h := range d.Answer.Headers {
		if key, ok := metadataKeys[h.Name]; ok {
			put(key, d.Value(h))
		}
	}
	if r.Origin != "" {
		put("origin", strconv.Quote(r.Origin[:min(len(r.Origin), maxQuoted)]))
	}
	if d.Shadow.Answer != nil {
		put("shadow_policy", d.Shadow.Policy)
		put("shadow_reason", d.Shadow.Reason.String())
		fields["shadow_differs"] = structpb.NewBoolValue(d.ShadowDiffers)
	}
	return &structpb.Struct{Fields: fields}
}

// applyOf returns how d edits the upstream's response. A reply is none: the
// apply filter would strip its headers on the way out.
func applyOf(d *policy.Decision) policy.Apply {
	if d.Answer.Action != policy.Edit || d.Answer.Apply == "" {
		return policy.ApplyNone
	}
	return d.Answer.Apply
}

// attributes are the values of the CEL expressions that Envoy was asked for,
// under the name of the filter that asked.
type attributes map[string]*structpb.Struct

// text returns the value of that expression, empty when there is none. Envoy's
// filter has one name; another data plane's may have another, and where
// several answer, the first in the order of names does.
func (a attributes) text(expression string) string {
	for _, filter := range slices.Sorted(maps.Keys(a)) {
		if v := valueText(a[filter].GetFields()[expression]); v != "" {
			return v
		}
	}
	return ""
}

// metadataPolicy returns the policy that m names.
func metadataPolicy(m *corev3.Metadata) string {
	return valueText(m.GetFilterMetadata()[Namespace].GetFields()[policyKey])
}

// rpcPolicy returns the policy that the gRPC metadata of ctx names.
func rpcPolicy(ctx context.Context) string {
	for _, v := range metadata.ValueFromIncomingContext(ctx, PolicyMetadata) {
		if v != "" {
			return v
		}
	}
	return ""
}

// valueText returns a name as text. Metadata is written in YAML, where a name
// like 2024 is a number; what can be no name is text too, so that it is an
// unknown policy and not the absence of one.
func valueText(v *structpb.Value) string {
	switch k := v.GetKind().(type) {
	case nil, *structpb.Value_NullValue:
		return ""
	case *structpb.Value_StringValue:
		return k.StringValue
	case *structpb.Value_NumberValue:
		return strconv.FormatFloat(k.NumberValue, 'f', -1, 64)
	default:
		return v.String()
	}
}

// firstOf returns the first that is set.
func firstOf(names ...string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return ""
}
