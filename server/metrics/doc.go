// Package metrics counts what corsgate does, for Prometheus. A [Metrics] takes
// part in a server as its observer of decisions, its meter and the observer of
// its loads, and serves the page that Prometheus reads.
//
// Labels come only from closed sets: reasons, kinds of messages, and the names of the
// policies that serve. Nothing of a request becomes a label.
package metrics
