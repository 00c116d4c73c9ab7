// Package observability has a Grafana dashboard, Prometheus alert rules and a
// runbook for corsgate. Its tests hold them to the metrics that there are, and
// to real Envoys: the alerts to what these count in outages, and what they send
// along, the trace and the route.
package observability
