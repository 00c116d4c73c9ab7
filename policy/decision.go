package policy

// Request is what a decision looks at. A missing header is the empty string;
// one that came in several lines is their values joined with ",". Its strings
// are only read during the call that gets them, but for those a Decision names.
type Request struct {
	// Policy is the name that Envoy chose; empty means by Authority and Path.
	Policy string
	// Method, Authority and Path are the request's; Path may have a query.
	Method, Authority, Path string
	// Origin, RequestMethod, RequestHeaders and RequestPrivateNetwork are the
	// values of Origin and of Access-Control-Request-{Method,Headers,Private-Network}.
	Origin, RequestMethod, RequestHeaders, RequestPrivateNetwork string
	// SecFetchSite is the value of Sec-Fetch-Site.
	SecFetchSite string
	// Upgrade is the value of Upgrade, and Protocol of :protocol (RFC 8441).
	Upgrade, Protocol string
	// Route is the name of Envoy's route, if that is known; it decides
	// nothing, and is there for logs.
	Route string
}

// Action says what happens to the request.
type Action uint8

// What may happen to a request.
const (
	// Pass forwards it and leaves its response alone.
	Pass Action = iota
	// Edit forwards it and edits the CORS headers of its response.
	Edit
	// Reply answers it at once; the upstream never sees it.
	Reply
)

// Apply says how the CORS headers of an upstream's response are edited. The
// words are those that Envoy's apply filter matches.
type Apply string

// How a response is edited.
const (
	ApplyNone    Apply = "none"    // not at all
	ApplyReplace Apply = "replace" // strip, set, and merge "Origin" into Vary
	ApplyPublic  Apply = "public"  // strip and set; the answer is the same for every origin
	ApplyDefer   Apply = "defer"   // as replace, but only if the upstream sent no Access-Control-Allow-Origin
	ApplyStrip   Apply = "strip"   // strip and merge Vary: what Envoy does when it has no answer
)

// Source says where a header's value comes from.
type Source uint8

// Where a header's value may come from.
const (
	FromPolicy  Source = iota // Header.Value
	FromOrigin                // Decision.Origin
	FromMethod                // Decision.Method
	FromHeaders               // Decision.Headers
)

// Header is one response header of an Answer. Names are lower-case.
type Header struct {
	Name, Value string
	From        Source
}

// Answer is one of the finite number of answers that a policy has. It is
// immutable, made at load, and compared by address.
type Answer struct {
	// ID numbers the answers of one Set from 0, so that a protocol can keep
	// what it encoded of an answer in a slice. Sets that share an answer do so at
	// the same number.
	ID     int
	Action Action
	// Status is the HTTP status of a Reply, else 0.
	Status int
	// Apply is how the response of an Edit is edited, else ApplyNone.
	Apply Apply
	// Headers are set in this order. A Reply has its Vary among them; for an
	// Edit, Vary follows from Apply.
	Headers []Header
}

// Verdict is what one policy says of a request.
type Verdict struct {
	// Policy is the policy's name, a string of the Set; empty when there is none.
	Policy string
	Reason Reason
	Answer *Answer // never nil
	// Origin, Method and Headers are what Answer.Headers echo: the request's
	// origin, its Access-Control-Request-Method, and the granted names of its
	// Access-Control-Request-Headers, normalised. They may share memory with
	// the Request and are valid as long as it is.
	Origin, Method, Headers string
}

// Value returns the value of h, one of v.Answer.Headers; empty means that the
// header is left out.
func (v *Verdict) Value(h Header) string {
	switch h.From {
	case FromOrigin:
		return v.Origin
	case FromMethod:
		return v.Method
	case FromHeaders:
		return v.Headers
	default:
		return h.Value
	}
}

// Decision is what happens to a request.
type Decision struct {
	// Verdict is the enforced one: it acts.
	Verdict
	// Preflight tells whether the request is a CORS-preflight request.
	Preflight bool
	// Shadow is what the shadow policy that covers the request says; it has no
	// Answer if there is no such policy.
	Shadow Verdict
	// ShadowDiffers tells that the shadow policy would answer otherwise.
	ShadowDiffers bool
}
