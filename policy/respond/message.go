package respond

import (
	"slices"
	"strings"
)

// Headers are header lines by lower-case name. Values are bytes.
type Headers map[string][]string

// Joined returns the lines of that name joined with ",", as Envoy gives them
// to a filter; empty if there are none.
func (h Headers) Joined(name string) string { return strings.Join(h[name], ",") }

// Members returns the elements of a list that stands in the lines of that name.
func (h Headers) Members(name string) []string {
	if len(h[name]) == 0 {
		return nil
	}
	list := strings.Split(h.Joined(name), ",")
	for i := range list {
		list[i] = strings.Trim(list[i], " \t")
	}
	return list
}

// clone returns a copy that shares nothing with h.
func (h Headers) clone() Headers {
	c := make(Headers, len(h))
	for name, lines := range h {
		c[name] = slices.Clone(lines)
	}
	return c
}

// Response is what an upstream answers, or what a client gets.
type Response struct {
	Status  int
	Headers Headers
}
