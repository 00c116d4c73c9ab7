package wire_test

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// corsResponseHeaders are the response headers of the CORS protocol (Fetch,
// #http-responses) and of the withdrawn Private Network Access: what an upstream
// may have sent and the policy decides instead.
var corsResponseHeaders = []string{
	"access-control-allow-origin",
	"access-control-allow-credentials",
	"access-control-expose-headers",
	"access-control-allow-methods",
	"access-control-allow-headers",
	"access-control-max-age",
	"access-control-allow-private-network",
}

// requestAnswer answers request headers.
func requestAnswer(d *policy.Decision) *extprocv3.ProcessingResponse {
	if d.Answer.Action == policy.Reply {
		return immediateAnswer(d)
	}
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{}},
	}
}

// immediateAnswer has no body: with a 204, Envoy would announce its length.
func immediateAnswer(d *policy.Decision) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: &extprocv3.ImmediateResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(d.Answer.Status)},
			Headers: &extprocv3.HeaderMutation{SetHeaders: setHeaders(&d.Verdict)},
			Details: d.Reason.String(),
		}},
	}
}

// responseAnswer answers response headers; a nil mutation leaves them alone.
func responseAnswer(m *extprocv3.HeaderMutation) *extprocv3.ProcessingResponse {
	out := &extprocv3.HeadersResponse{}
	if m != nil {
		out.Response = &extprocv3.CommonResponse{HeaderMutation: m}
	}
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: out},
	}
}

// continueOther answers the kinds of message that a sound configuration does
// not send; nil when it knows no such kind.
func continueOther(in *extprocv3.ProcessingRequest) *extprocv3.ProcessingResponse {
	out := &extprocv3.ProcessingResponse{}
	switch in.GetRequest().(type) {
	case *extprocv3.ProcessingRequest_RequestBody:
		out.Response = &extprocv3.ProcessingResponse_RequestBody{RequestBody: &extprocv3.BodyResponse{}}
	case *extprocv3.ProcessingRequest_ResponseBody:
		out.Response = &extprocv3.ProcessingResponse_ResponseBody{ResponseBody: &extprocv3.BodyResponse{}}
	case *extprocv3.ProcessingRequest_RequestTrailers:
		out.Response = &extprocv3.ProcessingResponse_RequestTrailers{RequestTrailers: &extprocv3.TrailersResponse{}}
	case *extprocv3.ProcessingRequest_ResponseTrailers:
		out.Response = &extprocv3.ProcessingResponse_ResponseTrailers{ResponseTrailers: &extprocv3.TrailersResponse{}}
	default:
		return nil
	}
	return out
}

// withMetadata adds what the apply filter and the access log read.
func withMetadata(out *extprocv3.ProcessingResponse, r *policy.Request, d *policy.Decision) *extprocv3.ProcessingResponse {
	out.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{
		contract.Namespace: structpb.NewStructValue(dynamicMetadata(r, d)),
	}}
	return out
}

// responseMutation edits the headers h of a response as d says; nil means not
// at all.
func responseMutation(d *policy.Decision, h *corev3.HeaderMap) *extprocv3.HeaderMutation {
	apply := applyOf(d)
	if d.Answer.Action == policy.Reply {
		// The stream began with the response, it is too late to reply: grant nothing.
		return stripMutation(h)
	}
	if apply == policy.ApplyNone || apply == policy.ApplyDefer && hasOwnAnswer(h) {
		return nil
	}
	m := stripMutation(h)
	if apply == policy.ApplyPublic {
		m.SetHeaders = nil // the answer is the same for every origin: no Vary
	}
	if apply != policy.ApplyStrip {
		m.SetHeaders = append(setHeaders(&d.Verdict), m.SetHeaders...)
	}
	return m
}

// stripMutation removes the upstream's CORS headers and merges Vary. They are
// removed unseen, since forward_rules may hide them.
func stripMutation(h *corev3.HeaderMap) *extprocv3.HeaderMutation {
	m := &extprocv3.HeaderMutation{RemoveHeaders: append(corsResponseHeaders[:len(corsResponseHeaders):len(corsResponseHeaders)], otherCORSHeaders(h)...)}
	lines := headerLines(h, "vary")
	switch merged := mergeVary(lines); {
	case merged == "":
	case len(lines) == 0:
		// Appended, not set: forward_rules may hide the upstream's.
		m.SetHeaders = []*corev3.HeaderValueOption{appendHeader("vary", merged)}
	default:
		m.SetHeaders = []*corev3.HeaderValueOption{overwriteHeader("vary", merged)}
	}
	return m
}

// otherCORSHeaders returns the names of CORS's that h shows beyond the known.
func otherCORSHeaders(h *corev3.HeaderMap) []string {
	var names []string
	for _, e := range h.GetHeaders() {
		name := asciiLower(e.GetKey())
		if strings.HasPrefix(name, "access-control-") && !slices.Contains(corsResponseHeaders, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hasOwnAnswer reports whether the upstream has answered for itself.
func hasOwnAnswer(h *corev3.HeaderMap) bool {
	for _, line := range headerLines(h, "access-control-allow-origin") {
		if line != "" {
			return true
		}
	}
	return false
}

// setHeaders returns the headers of v's answer, but for the empty ones.
func setHeaders(v *policy.Verdict) []*corev3.HeaderValueOption {
	set := make([]*corev3.HeaderValueOption, 0, len(v.Answer.Headers)+1)
	for _, h := range v.Answer.Headers {
		if value := v.Value(h); value != "" {
			set = append(set, overwriteHeader(h.Name, value))
		}
	}
	return set
}

// overwriteHeader sets a header in the form that all data planes read alike:
// Envoy's ext_proc ignores append_action and overwrites when append is unset.
func overwriteHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, RawValue: []byte(value)},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// appendHeader is overwriteHeader's counterpart: the deprecated append is what
// Envoy's ext_proc reads, and append_action what others do.
func appendHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, RawValue: []byte(value)},
		Append:       wrapperspb.Bool(true),
		AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
	}
}
