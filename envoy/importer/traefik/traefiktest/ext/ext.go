// Package ext stands in for a part of Traefik that is no module of its own.
package ext

// HTTP and Router are empty.
type (
	HTTP   struct{}
	Router struct{}
)
