// Package feed takes what Envoys have decided by themselves, as their access logs tell
// it in batches by OTLP. Each decision is observed as those are that the service is
// asked for, and decided again with the set that Envoy had: a compiled filter that
// answers otherwise is found.
//
// What comes is not trusted: an entry that is not understood is refused alone, and a
// batch that is too large is cut.
package feed
