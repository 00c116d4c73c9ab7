// Package metrics counts what corsgate does, for Prometheus. A [Metrics] takes
// part in a server as its observer of decisions, its meter and the observer of
// its loads, and serves the page that Prometheus reads.
//
// Labels come from closed sets only: reasons, kinds of messages, and the names
// of the policies that are served. Nothing that a request holds becomes one.
package metrics
