package server

import (
	"context"
	"log/slog"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
)

// The context extensions that ExtAuthz reads.
const (
	// PolicyExtension names the policy.
	PolicyExtension = "policy"
	// HeadersExtension says how the headers of an upstream's response travel:
	// HeadersInMetadata, or, when it is unset, as response_headers_to_add.
	HeadersExtension = "headers"
	// HeadersInMetadata leaves them to the apply filter, which alone can remove
	// the upstream's.
	HeadersInMetadata = "metadata"
)

// ExtAuthz is Envoy's external authorization service, envoy.service.auth.v3.
// It is safe for concurrent use.
type ExtAuthz struct {
	authv3.UnimplementedAuthorizationServer

	// Store has the set to decide by; required. While it is empty, Check fails
	// with the code Unavailable, so that Envoy's failure mode decides.
	Store *policy.Store
	// Observer is told of each decision; nil means nobody is.
	Observer Observer
	// Logger gets what should not happen; nil means nobody does.
	Logger *slog.Logger
}

// Check answers a request. A reply, such as a preflight's, travels as a denial.
// An internal problem is an error without a verdict.
func (a *ExtAuthz) Check(ctx context.Context, in *authv3.CheckRequest) (out *authv3.CheckResponse, err error) {
	defer func() {
		if v := recover(); v != nil {
			logPanic(a.Logger, "ext_authz", v)
			out, err = nil, status.Error(codes.Internal, "the decision failed, the service's log says why")
		}
	}()
	set := a.Store.Load()
	if set == nil {
		return nil, errNoSet
	}
	attrs := in.GetAttributes()
	r := checkedRequest(ctx, attrs)
	d := set.Decide(&r)
	observe(ctx, a.Observer, &r, &d)
	return checkAnswer(&r, &d, attrs.GetContextExtensions()[HeadersExtension]), nil
}

// checkedRequest reads what Envoy sends as header_map (encode_raw_headers) or,
// joined and as UTF-8, as headers.
func checkedRequest(ctx context.Context, attrs *authv3.AttributeContext) policy.Request {
	http := attrs.GetRequest().GetHttp()
	var h requestHeaders
	h.addAll(http.GetHeaderMap())
	if len(http.GetHeaderMap().GetHeaders()) == 0 {
		for name, value := range http.GetHeaders() {
			h.add(name, value)
		}
	}
	r := h.request(firstOf(
		rpcPolicy(ctx),
		metadataPolicy(attrs.GetRouteMetadataContext()),
		attrs.GetContextExtensions()[PolicyExtension],
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
	if headersMode != HeadersInMetadata {
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
		o.Append = wrapperspb.Bool(true) //nolint:staticcheck // see above
	}
	return o
}
