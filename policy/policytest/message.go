package policytest

import (
	"slices"
	"strings"
)

// Headers are header lines by lower-case name. Values are bytes.
type Headers map[string][]string

// Joined returns the lines of that name joined with ",", as Envoy gives them
// to a filter; empty when there is none.
func (h Headers) Joined(name string) string { return strings.Join(h[name], ",") }

// clone returns a copy that shares nothing with h.
func (h Headers) clone() Headers {
	c := make(Headers, len(h))
	for name, lines := range h {
		c[name] = slices.Clone(lines)
	}
	return c
}

// Request is what a client sends.
type Request struct {
	Method, Host, Path string
	// Protocol is :protocol of an extended CONNECT (RFC 8441), else empty.
	Protocol string
	Headers  Headers
}

// Response is what an upstream answers, or what a client gets.
type Response struct {
	Status  int
	Headers Headers
}
