// Package imported holds importers to the systems themselves: it makes up configurations,
// asks a real Envoy with its own cors filter, and compares what a browser makes of the
// answers with what it makes of those of the imported policies. Each difference has to be
// told by the report of the import. It has tests only.
//
// What is made up follows from a seed. At length:
//
//	CORSGATE_TEST=full go test ./envoy/test/imported -v -timeout 1h
//
// A failure tells its seed; this does the same again:
//
//	go test ./envoy/test/imported -v -run TestEnvoy -args -seed 42 -worlds 1
package imported
