// Package e2e holds the tests that send requests through a real Envoy, with
// corsgate beside it and an upstream behind it, in every profile. They fail
// without an Envoy when CI=true, and are skipped elsewhere.
package e2e
