// Package export tests that a real Envoy, configured as corsgate export writes it, lets
// pages do what the policies say.
package export
