// Package export tests that a real Envoy, configured as corsgate export writes it, lets
// pages do what the policies say, and that policies which are imported from any export
// decide like those that were exported, but for what the reports tell. It has tests only.
//
// The policies and requests of round trips follow from a seed. At length:
//
//	CORSGATE_TEST=full go test ./envoy/test/export -v -run TestImport -timeout 1h
//
// A failure tells its seed; this does the same again:
//
//	go test ./envoy/test/export -v -run TestImport -args -seed 42 -trips 1
package export
