// Package feed receives what Envoys have decided by themselves. Their access logs report
// it in batches by OTLP. Each decision is observed like those that the service takes, and
// is decided again with the set that Envoy had. So a compiled filter that decides wrongly
// is found.
//
// The feed trusts nothing that it receives: it refuses single entries that it does not
// understand, and cuts a batch that is too large.
package feed
