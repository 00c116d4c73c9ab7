package wire

import (
	"cmp"
	"context"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// Check answers a CheckRequest with a CheckResponse that it appends to dst. A
// reply, such as a preflight's, travels as a denial. Nothing of message is
// kept. The error is ErrNoSet or ErrMalformed.
func (x *Exchange) Check(ctx context.Context, dst, message []byte) ([]byte, error) {
	x.in.reset()
	x.in.readCheck(message)
	if x.in.bad {
		return nil, ErrMalformed
	}
	x.in.buf = x.in.request.join(x.in.buf)
	r, c := &x.request, &x.in.check
	x.in.request.request(r, x.checkPolicy())
	r.Method = cmp.Or(c.method, r.Method)
	r.Authority = cmp.Or(c.host, r.Authority)
	r.Path = cmp.Or(c.path, r.Path)
	if err := x.decide(ctx); err != nil {
		return nil, err
	}
	x.done = true
	return x.appendMetadata(x.appendCheckAnswer(dst), checkDynamicMetadata), nil
}

func (x *Exchange) checkPolicy() string {
	return cmp.Or(x.named, x.in.check.routeNamed, x.in.check.policy, x.in.named)
}

func (x *Exchange) appendCheckAnswer(b []byte) []byte {
	if x.decision.Answer.Action == policy.Reply {
		return x.appendDenied(b)
	}
	b = appendEmpty(b, checkStatus) // the code OK is 0
	b, content := begin(b, checkOK)
	if x.in.check.headersMode != contract.HeadersInMetadata {
		b = x.appendAdded(b)
	}
	return end(b, content)
}

func (x *Exchange) appendDenied(b []byte) []byte {
	b, status := begin(b, checkStatus)
	b = appendNumber(b, statusCode, rpcPermissionDenied)
	b = end(appendText(b, statusMessage, x.decision.Reason.String()), status)
	b, content := begin(b, checkDenied)
	b = append(b, x.answer().status...)
	return end(x.answer().checked.appendTo(b, &x.decision.Verdict), content)
}

// appendAdded appends what Envoy adds to the upstream's response without the
// apply filter: nothing is removed, and "defer" cannot be told from "replace".
func (x *Exchange) appendAdded(b []byte) []byte {
	a := x.answer()
	if a.apply == policy.ApplyNone {
		return b
	}
	if a.apply != policy.ApplyStrip {
		b = a.checked.appendTo(b, &x.decision.Verdict)
	}
	if a.apply != policy.ApplyPublic {
		b = option{num: okResponseHeaders, value: headerValue}.append(b, "vary", "Origin")
	}
	return b
}
