// Package observability has a Grafana dashboard and Prometheus alert rules for
// corsgate. Its tests hold them to the metrics that there are, and what Envoy
// sends along, the trace and the route, to a real Envoy.
package observability
