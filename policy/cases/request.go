package cases

import "github.com/corsgate/corsgate/policy/respond"

// Request is what a client sends.
type Request struct {
	Method, Host, Path string
	// Protocol is :protocol of an extended CONNECT (RFC 8441), else empty.
	Protocol string
	Headers  respond.Headers
}
