package wire_test

import (
	"maps"
	"slices"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/wire"
)

// check is Exchange.Check; ok is false for what is no message at all.
func (x *oracle) check(message []byte) (out *authv3.CheckResponse, ok bool, err error) {
	in := &authv3.CheckRequest{}
	if proto.Unmarshal(message, in) != nil {
		return nil, false, nil
	}
	attrs := in.GetAttributes()
	r := x.checkedRequest(attrs)
	if !x.decide(&r) {
		return nil, true, wire.ErrNoSet
	}
	return checkAnswer(&r, x.decision, attrs.GetContextExtensions()[contract.Headers]), true, nil
}

// checkedRequest reads what Envoy sends as header_map (encode_raw_headers) or,
// joined and as UTF-8, as headers.
func (x *oracle) checkedRequest(attrs *authv3.AttributeContext) policy.Request {
	http := attrs.GetRequest().GetHttp()
	var h requestHeaders
	h.addAll(http.GetHeaderMap())
	if len(http.GetHeaderMap().GetHeaders()) == 0 {
		for _, name := range slices.Sorted(maps.Keys(http.GetHeaders())) {
			h.add(name, http.GetHeaders()[name])
		}
	}
	r := h.request(firstOf(
		x.named,
		metadataPolicy(attrs.GetRouteMetadataContext()),
		attrs.GetContextExtensions()[contract.Policy],
		metadataPolicy(attrs.GetMetadataContext()),
	))
	r.Method = firstOf(http.GetMethod(), r.Method)
	r.Authority = firstOf(http.GetHost(), r.Authority)
	r.Path = firstOf(http.GetPath(), r.Path)
	return r
}

func checkAnswer(r *policy.Request, d *policy.Decision, headersMode string) *authv3.CheckResponse {
	out := &authv3.CheckResponse{DynamicMetadata: dynamicMetadata(r, d)}
	if d.Answer.Action == policy.Reply {
		out.Status = &rpcstatus.Status{Code: int32(codes.PermissionDenied), Message: d.Reason.String()}
		out.HttpResponse = &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(d.Answer.Status)},
			Headers: checkHeaders(&d.Verdict),
		}}
		return out
	}
	ok := &authv3.OkHttpResponse{}
	if headersMode != contract.HeadersInMetadata {
		ok.ResponseHeadersToAdd = addedHeaders(d)
	}
	out.Status = &rpcstatus.Status{Code: int32(codes.OK)}
	out.HttpResponse = &authv3.CheckResponse_OkResponse{OkResponse: ok}
	return out
}

// addedHeaders returns what Envoy adds to the upstream's response without the
// apply filter: nothing is removed, and "defer" cannot be told from "replace".
func addedHeaders(d *policy.Decision) []*corev3.HeaderValueOption {
	apply := applyOf(d)
	if apply == policy.ApplyNone {
		return nil
	}
	var added []*corev3.HeaderValueOption
	if apply != policy.ApplyStrip {
		added = checkHeaders(&d.Verdict)
	}
	if apply != policy.ApplyPublic {
		added = append(added, checkHeader("vary", "Origin", corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD))
	}
	return added
}

func checkHeaders(v *policy.Verdict) []*corev3.HeaderValueOption {
	set := make([]*corev3.HeaderValueOption, 0, len(v.Answer.Headers)+1)
	for _, h := range v.Answer.Headers {
		if value := v.Value(h); value != "" && utf8.ValidString(value) {
			set = append(set, checkHeader(h.Name, value, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD))
		}
	}
	return set
}

// checkHeader always says how, since Envoy's ext_authz appends when neither
// field is set, and appending is append_action's zero value.
func checkHeader(name, value string, action corev3.HeaderValueOption_HeaderAppendAction) *corev3.HeaderValueOption {
	o := &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: action}
	if action == corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD {
		o.Append = wrapperspb.Bool(true)
	}
	return o
}
