package wire

import "google.golang.org/protobuf/encoding/protowire"

// Kind is a kind of message that Envoy asks with.
type Kind uint8

// The kinds of messages: the members of a ProcessingRequest, and CheckRequest.
const (
	KindUnknown Kind = iota // a ProcessingRequest without a known member
	KindRequestHeaders
	KindResponseHeaders
	KindRequestBody
	KindResponseBody
	KindRequestTrailers
	KindResponseTrailers
	KindCheck

	Kinds // how many there are
)

var kindWords = [Kinds]string{
	KindUnknown:          "unknown",
	KindRequestHeaders:   "request_headers",
	KindResponseHeaders:  "response_headers",
	KindRequestBody:      "request_body",
	KindResponseBody:     "response_body",
	KindRequestTrailers:  "request_trailers",
	KindResponseTrailers: "response_trailers",
	KindCheck:            "check",
}

// String returns the kind's word, such as "request_headers".
func (k Kind) String() string {
	if k >= Kinds {
		return kindWords[KindUnknown]
	}
	return kindWords[k]
}

// kindOf returns the kind of the member of a ProcessingRequest of that number.
func kindOf(number protowire.Number) Kind {
	if number < inRequestHeaders || number > inResponseTrailers {
		return KindUnknown
	}
	return KindRequestHeaders + Kind(number-inRequestHeaders)
}

// Kind returns the kind of the message that was last given to Process.
func (x *Exchange) Kind() Kind { return kindOf(x.in.kind) }

// UpstreamCORS reports whether the message that was last given to Process was a
// response with CORS headers (Fetch, #http-responses) of the upstream's own,
// and which policy decided; name is empty if no policy did.
func (x *Exchange) UpstreamCORS() (name string, sent bool) {
	return x.decision.Policy, x.in.kind == inResponseHeaders && x.in.response.cors
}
