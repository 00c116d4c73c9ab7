package server

import (
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
)

// errNoSet is the status of a question that comes before the first good set.
var errNoSet = status.Error(codes.Unavailable, "no policies are loaded yet, the service's log says why")

// exchange is the state of one ext_proc stream: which answer belongs to which
// message. It knows nothing of gRPC streams.
type exchange struct {
	store   *policy.Store
	named   string // policy by gRPC metadata
	observe func(*policy.Request, *policy.Decision)

	set      *policy.Set      // latched by the first message that needs it
	decision *policy.Decision // latched by the request headers
	done     bool             // no later message needs an answer
}

// answer returns the answer to in, or nil when there is none to give.
func (x *exchange) answer(in *extprocv3.ProcessingRequest) (*extprocv3.ProcessingResponse, error) {
	switch m := in.GetRequest().(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		return x.requestHeaders(in, m.RequestHeaders)
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return x.responseHeaders(in, m.ResponseHeaders), nil
	default:
		return continueOther(in), nil
	}
}

func (x *exchange) requestHeaders(in *extprocv3.ProcessingRequest, m *extprocv3.HttpHeaders) (*extprocv3.ProcessingResponse, error) {
	var h requestHeaders
	h.addAll(m.GetHeaders())
	r := h.request(x.policyName(in))
	if !x.decide(&r) {
		return nil, errNoSet
	}
	// A denied request is not done: its response must lose the upstream's headers.
	x.done = applyOf(x.decision) == policy.ApplyNone
	return withMetadata(requestAnswer(x.decision), &r, x.decision), nil
}

func (x *exchange) responseHeaders(in *extprocv3.ProcessingRequest, m *extprocv3.HttpHeaders) *extprocv3.ProcessingResponse {
	x.done = true
	if x.decision != nil {
		return responseAnswer(responseMutation(x.decision, m.GetHeaders()))
	}
	r := x.requestOfAttributes(in)
	if r.Origin == "" || !x.decide(&r) {
		return responseAnswer(nil)
	}
	return withMetadata(responseAnswer(responseMutation(x.decision, m.GetHeaders())), &r, x.decision)
}

// decide latches the set and the decision on r, if there is a set.
func (x *exchange) decide(r *policy.Request) bool {
	if x.set == nil {
		x.set = x.store.Load()
	}
	if x.set == nil {
		return false
	}
	d := x.set.Decide(r)
	x.decision = &d
	x.observe(r, &d)
	return true
}

func (x *exchange) policyName(in *extprocv3.ProcessingRequest) string {
	a := attributes(in.GetAttributes())
	return firstOf(x.named, a.text(routePolicy), a.text(virtualHostPolicy), metadataPolicy(in.GetMetadataContext()))
}

// requestOfAttributes returns the request of a stream that begins with the
// response, which is how an earlier filter's own answer comes. Whether it had
// an Origin only the attributes can tell.
func (x *exchange) requestOfAttributes(in *extprocv3.ProcessingRequest) policy.Request {
	a := attributes(in.GetAttributes())
	var h requestHeaders
	for name := range requestFields {
		if v := a.text("request.headers['" + name + "']"); v != "" {
			h.add(name, v)
		}
	}
	r := h.request(x.policyName(in))
	r.Method = firstOf(a.text("request.method"), r.Method)
	r.Authority = firstOf(a.text("request.host"), r.Authority)
	r.Path = firstOf(a.text("request.path"), r.Path)
	return r
}
