package wire_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

const (
	policyKey         = "policy"
	maxQuoted         = 256
	routePolicy       = "xds.route_metadata.filter_metadata['corsgate'].policy"
	virtualHostPolicy = "xds.virtual_host_metadata.filter_metadata['corsgate'].policy"
	routeName         = "xds.route_name"
	eitherPolicy      = "'corsgate' in xds.route_metadata.filter_metadata && 'policy' in xds.route_metadata.filter_metadata['corsgate'] && " +
		"!(xds.route_metadata.filter_metadata['corsgate'].policy in ['', null]) ? " +
		"xds.route_metadata.filter_metadata['corsgate'].policy : xds.virtual_host_metadata.filter_metadata['corsgate'].policy"
)

// The request headers that a decision looks at.
const (
	fieldMethod = iota
	fieldAuthority
	fieldPath
	fieldProtocol
	fieldHost
	fieldOrigin
	fieldRequestMethod
	fieldRequestHeaders
	fieldRequestPrivateNetwork
	fieldSecFetchSite
	fieldUpgrade

	fieldCount
)

var requestFields = map[string]int{
	":method":                                fieldMethod,
	":authority":                             fieldAuthority,
	":path":                                  fieldPath,
	":protocol":                              fieldProtocol,
	"host":                                   fieldHost,
	"origin":                                 fieldOrigin,
	"access-control-request-method":          fieldRequestMethod,
	"access-control-request-headers":         fieldRequestHeaders,
	"access-control-request-private-network": fieldRequestPrivateNetwork,
	"sec-fetch-site":                         fieldSecFetchSite,
	"upgrade":                                fieldUpgrade,
}

// requestHeaders collects request headers one by one.
type requestHeaders [fieldCount]struct {
	value   string
	present bool
}

// add takes one header; a repeated one is joined with "," (RFC 9110, section
// 5.3), so that two Origin lines never look like one origin.
func (h *requestHeaders) add(name, value string) {
	i, known := requestFields[asciiLower(name)]
	if !known {
		return
	}
	f := &h[i]
	if f.present {
		value = f.value + "," + value
	}
	f.value, f.present = value, true
}

// asciiLower is strings.ToLower for header names, whose letters are ASCII.
func asciiLower(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, name)
}

func (h *requestHeaders) addAll(m *corev3.HeaderMap) {
	for _, e := range m.GetHeaders() {
		h.add(e.GetKey(), headerValue(e))
	}
}

// request returns what was collected, for the policy of that name.
func (h *requestHeaders) request(named string) policy.Request {
	authority := h[fieldAuthority].value
	if authority == "" {
		authority = h[fieldHost].value
	}
	return policy.Request{
		Policy:                named,
		Method:                h[fieldMethod].value,
		Authority:             authority,
		Path:                  h[fieldPath].value,
		Protocol:              h[fieldProtocol].value,
		Origin:                h[fieldOrigin].value,
		RequestMethod:         h[fieldRequestMethod].value,
		RequestHeaders:        h[fieldRequestHeaders].value,
		RequestPrivateNetwork: h[fieldRequestPrivateNetwork].value,
		SecFetchSite:          h[fieldSecFetchSite].value,
		Upgrade:               h[fieldUpgrade].value,
	}
}

// headerValue returns the value of e: Envoy fills raw_value, other data planes
// value.
func headerValue(e *corev3.HeaderValue) string {
	if raw := e.GetRawValue(); len(raw) > 0 {
		return string(raw)
	}
	return e.GetValue()
}

// headerLines returns the values of all headers of that lower-case name.
func headerLines(m *corev3.HeaderMap, name string) []string {
	var lines []string
	for _, e := range m.GetHeaders() {
		if asciiLower(e.GetKey()) == name {
			lines = append(lines, headerValue(e))
		}
	}
	return lines
}

// metadataKeys are the response headers that the apply filter sets, and where
// it reads them.
var metadataKeys = map[string]string{
	"access-control-allow-origin":      "allow_origin",
	"access-control-allow-credentials": "allow_credentials",
	"access-control-expose-headers":    "expose_headers",
}

// dynamicMetadata says in Envoy's terms what was decided. A string that is not
// UTF-8 would make the whole answer unmarshalable, so that bytes of a request
// are quoted or, if they must be exact, checked.
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

// applyOf returns how d edits the upstream's response. A reply is not
// edited: the apply filter would strip its headers on the way out.
func applyOf(d *policy.Decision) policy.Apply {
	if d.Answer.Action != policy.Edit || d.Answer.Apply == "" {
		return policy.ApplyNone
	}
	return d.Answer.Apply
}

// attributes are the values of the CEL expressions that Envoy was asked for,
// under the name of the filter that asked.
type attributes map[string]*structpb.Struct

// text returns the value of that expression, or "" without one. Envoy's
// filter has one name; another data plane's may have another, and if
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
	return valueText(m.GetFilterMetadata()[contract.Namespace].GetFields()[policyKey])
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
		return "(no text)"
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

// mergeVary returns the one Vary line that says what lines say and Origin too
// (Fetch, #cors-protocol-and-http-caches). It is empty when
// lines already do: they name Origin or are "*" (RFC 9110, section 12.5.5).
func mergeVary(lines []string) string {
	var members []string
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			member = strings.Trim(member, " \t")
			if member == "*" || strings.EqualFold(member, "origin") {
				return ""
			}
			if member != "" {
				members = append(members, member)
			}
		}
	}
	return strings.Join(append(members, "Origin"), ", ")
}
