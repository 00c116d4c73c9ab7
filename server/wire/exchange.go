package wire

import (
	"cmp"
	"context"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// The most memory that an exchange keeps for the next one.
const (
	maxKeptBytes = 4 << 10
	maxKeptLines = 64
)

// Exchange is the state of one ext_proc stream, or of one ext_authz call: which
// answer belongs to which message. It is for one goroutine.
type Exchange struct {
	handler *Handler
	named   string // the policy that the transport's metadata names

	in       incoming
	set      *answers // set once, by the first message that needs it
	request  policy.Request
	decision policy.Decision // set once, by the request headers; has no Answer before
	echoed   []byte          // what decision echoes, after the request's message
	done     bool
	applied  bool // Envoy itself writes the headers of the response
}

// End gives the exchange back to its handler. Do not use it after that.
func (x *Exchange) End() {
	h := x.handler
	x.in.reset()
	*x = Exchange{in: x.in, echoed: x.echoed[:0]}
	if max(cap(x.in.buf), cap(x.echoed)) <= maxKeptBytes && x.in.lines() <= maxKeptLines {
		h.exchanges.Put(x)
	}
}

// lines is how many lines m has room for.
func (m *incoming) lines() int {
	return cap(m.request.repeats) + cap(m.response.vary) + cap(m.response.others) + cap(m.attributes) + cap(m.check.headers)
}

// Done reports whether no later message of the stream needs an answer.
func (x *Exchange) Done() bool { return x.done }

// Process answers a ProcessingRequest with a ProcessingResponse that it appends
// to dst. It returns nil for a message of an unknown kind, which has no answer:
// Envoy is to go on without one. It keeps nothing of message, and does not read
// dst. The error is ErrNoSet or ErrMalformed.
func (x *Exchange) Process(ctx context.Context, dst, message []byte) ([]byte, error) {
	x.in.reset()
	x.in.readProcessing(message)
	if x.in.bad {
		return nil, ErrMalformed
	}
	switch x.in.kind {
	case inRequestHeaders:
		return x.requestHeaders(ctx, dst)
	case inResponseHeaders:
		return x.responseHeaders(ctx, dst)
	case inRequestBody, inResponseBody, inRequestTrailers, inResponseTrailers:
		// A correct configuration does not send these messages. They go on unchanged;
		// each answer's number is that of its question less one.
		return appendEmpty(dst, x.in.kind-1), nil
	}
	return nil, nil
}

func (x *Exchange) requestHeaders(ctx context.Context, dst []byte) ([]byte, error) {
	x.in.buf = x.in.request.join(x.in.buf)
	x.in.request.request(&x.request, x.processPolicy())
	x.request.Route = x.in.attribute(contract.RouteName)
	if x.in.bad { // the attributes are read only when they are needed
		return nil, ErrMalformed
	}
	if err := x.decide(ctx); err != nil {
		return nil, err
	}
	// A denied request is not finished: the upstream's headers must be removed
	// from its response.
	x.done = x.answer().apply == policy.ApplyNone
	x.applied = x.in.mode.applies()
	dst = x.appendNamespaced(x.appendRequestAnswer(dst), outDynamicMetadata)
	x.own()
	return dst, nil
}

func (x *Exchange) responseHeaders(ctx context.Context, dst []byte) ([]byte, error) {
	x.done = true
	if x.decision.Answer != nil {
		return x.appendResponseAnswer(dst), nil
	}
	x.requestOfAttributes()
	if x.in.bad {
		return nil, ErrMalformed
	}
	if x.request.Origin == "" || x.decide(ctx) != nil {
		return appendEmpty(dst, outResponseHeaders), nil // there is no decision to follow
	}
	return x.appendNamespaced(x.appendResponseAnswer(dst), outDynamicMetadata), nil
}

// decide chooses the set and takes the decision, both once for the request.
// The error is ErrNoSet.
func (x *Exchange) decide(ctx context.Context) error {
	if x.set == nil {
		x.set = x.handler.serving.Load()
	}
	if x.set == nil {
		return ErrNoSet
	}
	x.decision = x.set.set.Decide(&x.request)
	if o := x.handler.Observer; o != nil {
		o.Observe(ctx, &x.request, &x.decision)
	}
	return nil
}

// own copies what the decision shares with the message, so that it outlives
// the message.
func (x *Exchange) own() {
	if x.done {
		return
	}
	v := &x.decision.Verdict
	origin, method := len(v.Origin), len(v.Origin)+len(v.Method)
	x.echoed = append(append(append(x.echoed[:0], v.Origin...), v.Method...), v.Headers...)
	v.Origin, v.Method, v.Headers = text(x.echoed[:origin]), text(x.echoed[origin:method]), text(x.echoed[method:])
	x.decision.Shadow = policy.Verdict{}
	x.request = policy.Request{}
}

// answer returns the encoded form of the decision's answer.
func (x *Exchange) answer() *answer { return x.set.encoded[x.decision.Answer.ID] }

func (x *Exchange) processPolicy() string {
	if x.named != "" {
		return x.named
	}
	for _, expression := range [...]string{contract.RoutePolicy, contract.VirtualHostPolicy, contract.EitherPolicy} {
		if v := x.in.attribute(expression); v != "" {
			return v
		}
	}
	return x.in.named
}

// attributeOf are the expressions of the request headers' values.
var attributeOf = func() (expressions [fieldCount]string) {
	for _, fields := range fieldNames {
		for _, f := range fields {
			expressions[f.field] = contract.RequestHeader(f.name)
		}
	}
	return expressions
}()

// requestOfAttributes takes the request of a stream that begins with the
// response, as happens if an earlier filter answered by itself. Only the
// attributes can tell whether the request had an Origin.
func (x *Exchange) requestOfAttributes() {
	h := &x.in.request
	for f, expression := range attributeOf {
		h.values[f] = x.in.attribute(expression)
	}
	r := &x.request
	h.request(r, x.processPolicy())
	r.Route = x.in.attribute(contract.RouteName)
	r.Method = cmp.Or(x.in.attribute(contract.RequestMethod), r.Method)
	r.Authority = cmp.Or(x.in.attribute(contract.RequestHost), r.Authority)
	r.Path = cmp.Or(x.in.attribute(contract.RequestPath), r.Path)
}

// appendRequestAnswer answers request headers.
func (x *Exchange) appendRequestAnswer(b []byte) []byte {
	if x.decision.Answer.Action != policy.Reply {
		return appendEmpty(b, outRequestHeaders)
	}
	// There is no body, because Envoy would announce its length even with a 204.
	b, content := begin(b, outImmediateResponse)
	b = append(b, x.answer().status...)
	b, headers := begin(b, immediateHeaders)
	b = end(x.answer().mutation.appendTo(b, &x.decision.Verdict), headers)
	return end(appendText(b, immediateDetails, x.decision.Reason.String()), content)
}

// appendResponseAnswer answers response headers.
func (x *Exchange) appendResponseAnswer(b []byte) []byte {
	b, content := begin(b, outResponseHeaders)
	if x.edits() {
		var common, mutation int
		b, common = begin(b, headersResponseCommon)
		b, mutation = begin(b, commonHeaderMutation)
		b = end(end(x.appendMutation(b), mutation), common)
	}
	return end(b, content)
}

// edits reports whether the response's headers are edited at all.
func (x *Exchange) edits() bool {
	switch x.answer().apply {
	case policy.ApplyNone:
		// The stream began with the response. It is too late to reply, but it is still
		// possible to grant nothing.
		return x.decision.Answer.Action == policy.Reply
	case policy.ApplyDefer:
		return !x.in.response.ownAnswer
	}
	return true
}

func (x *Exchange) appendMutation(b []byte) []byte {
	b = x.in.response.appendOthers(append(b, removed...))
	switch x.answer().apply {
	case policy.ApplyNone, policy.ApplyStrip:
	case policy.ApplyPublic:
		// The answer is the same for every origin: no Vary.
		return x.answer().mutation.appendTo(b, &x.decision.Verdict)
	default:
		b = x.answer().mutation.appendTo(b, &x.decision.Verdict)
	}
	return appendVary(b, x.in.response.vary)
}
