package wire_test

import (
	modev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/wire"
)

// oracle is what wire.Exchange is held to: the same translation written with
// the generated code, where the runtime of Protocol Buffers says what a message
// means.
type oracle struct {
	serves  *policy.Set
	named   string // policy by the transport's metadata
	observe func(*policy.Request, *policy.Decision)

	set      *policy.Set      // latched by the first message that needs it
	decision *policy.Decision // latched by the request headers
	done     bool             // no later message needs an answer
	applied  bool             // Envoy writes the response's headers

	fullDuplex, ignored bool // by the last message
}

// process is Exchange.Process; ok is false for what is no message at all.
func (x *oracle) process(message []byte) (out *extprocv3.ProcessingResponse, ok bool, err error) {
	in := &extprocv3.ProcessingRequest{}
	if proto.Unmarshal(message, in) != nil {
		return nil, false, nil
	}
	x.readMode(in)
	out, err = x.answer(in)
	return out, true, err
}

func (x *oracle) readMode(in *extprocv3.ProcessingRequest) {
	p := in.GetProtocolConfig()
	x.ignored = in.GetObservabilityMode()
	x.fullDuplex = p.GetRequestBodyMode() >= modev3.ProcessingMode_FULL_DUPLEX_STREAMED ||
		p.GetResponseBodyMode() >= modev3.ProcessingMode_FULL_DUPLEX_STREAMED
}

// awaits is Exchange.Awaits.
func (x *oracle) awaits() bool { return x.decision != nil && !x.done && !x.applied }

// answer returns the answer to in, or nil when there is none to give.
func (x *oracle) answer(in *extprocv3.ProcessingRequest) (*extprocv3.ProcessingResponse, error) {
	switch m := in.GetRequest().(type) {
	case *extprocv3.ProcessingRequest_RequestHeaders:
		return x.requestHeaders(in, m.RequestHeaders)
	case *extprocv3.ProcessingRequest_ResponseHeaders:
		return x.responseHeaders(in, m.ResponseHeaders), nil
	default:
		return continueOther(in), nil
	}
}

func (x *oracle) requestHeaders(in *extprocv3.ProcessingRequest, m *extprocv3.HttpHeaders) (*extprocv3.ProcessingResponse, error) {
	var h requestHeaders
	h.addAll(m.GetHeaders())
	r := h.request(x.policyName(in))
	r.Route = attributes(in.GetAttributes()).text(routeName)
	if !x.decide(&r) {
		return nil, wire.ErrNoSet
	}
	// A denied request is not done: its response must lose the upstream's headers.
	x.done = applyOf(x.decision) == policy.ApplyNone
	p := in.GetProtocolConfig()
	x.applied = p.GetRequestBodyMode() == modev3.ProcessingMode_NONE && p.GetSendBodyWithoutWaitingForHeaderResponse()
	return withMetadata(requestAnswer(x.decision), &r, x.decision), nil
}

func (x *oracle) responseHeaders(in *extprocv3.ProcessingRequest, m *extprocv3.HttpHeaders) *extprocv3.ProcessingResponse {
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
func (x *oracle) decide(r *policy.Request) bool {
	if x.set == nil {
		x.set = x.serves
	}
	if x.set == nil {
		return false
	}
	d := x.set.Decide(r)
	x.decision = &d
	x.observe(r, &d)
	return true
}

func (x *oracle) policyName(in *extprocv3.ProcessingRequest) string {
	a := attributes(in.GetAttributes())
	return firstOf(x.named, a.text(routePolicy), a.text(virtualHostPolicy), a.text(eitherPolicy), metadataPolicy(in.GetMetadataContext()))
}

// requestOfAttributes returns the request of a stream that begins with the
// response, which is how an earlier filter's own answer comes. Whether it had
// an Origin only the attributes can tell.
func (x *oracle) requestOfAttributes(in *extprocv3.ProcessingRequest) policy.Request {
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
	r.Route = a.text(routeName)
	return r
}
