package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	upstreams "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// asked is a cluster that is corsgate, with a filter that asks it or gets filters from it.
type asked struct {
	name string
	by   Place
	// seldom says that it is only asked about what a compiled filter does not decide.
	seldom           bool
	*cluster.Cluster // nil if Envoy has no such cluster
}

// services returns the clusters that are asked or that deliver, each once.
func (f *facts) services() (list []asked) {
	add := func(name string, by Place, seldom bool) {
		if name != "" && !slices.ContainsFunc(list, func(a asked) bool { return a.name == name }) {
			list = append(list, asked{name, by, seldom, f.clusters[name]})
		}
	}
	for _, m := range f.guarded() {
		for _, fl := range m.decides() {
			for _, a := range fl.asks {
				add(a.cluster(), a.place, a.inside)
			}
			for _, name := range fl.deliverers() {
				add(name, fl.place, true)
			}
		}
	}
	return list
}

// deliverers returns the clusters from which a filter has what is delivered.
func (fl *filter) deliverers() (clusters []string) {
	for _, name := range names(fl.sources) {
		for _, s := range fl.sources[name].GetConfigSource().GetApiConfigSource().GetGrpcServices() {
			clusters = append(clusters, s.GetEnvoyGrpc().GetClusterName())
		}
	}
	return clusters
}

// existing returns the services that have a cluster.
func (f *facts) existing() []asked {
	return slices.DeleteFunc(f.services(), func(a asked) bool { return a.Cluster == nil })
}

// byControlPlane reports whether a control plane has written the cluster: it gives it a
// name that tells what it is for.
func (a asked) byControlPlane() bool { return strings.ContainsAny(a.name, "/|") }

func (a asked) place() Place { return Place{Cluster: a.name} }

func clusterMissing(f *facts, report report) {
	missing := func(p Place, name string) {
		report(policy.Error, p, fmt.Sprintf("it asks the cluster %q, and there is no such cluster", name), "nothing is answered: each request with an Origin gets no grant, or an error if it fails closed",
			"the cluster that \"corsgate envoy-config --only filters\" prints, or the right name in envoy_grpc.cluster_name")
	}
	for _, a := range f.services() {
		if a.Cluster == nil {
			missing(a.by, a.name)
		}
	}
	for m, a := range f.asks() {
		for _, s := range m.spots {
			name := overrides(s.says[0], a.place.Filter).GetGrpcService().GetEnvoyGrpc().GetClusterName()
			if name != "" && f.clusters[name] == nil {
				missing(s.place.filter(a.place.Filter), name)
			}
		}
	}
}

// protocol returns what Envoy speaks to the cluster's hosts.
func protocol(c *cluster.Cluster) *upstreams.HttpProtocolOptions {
	for _, a := range c.GetTypedExtensionProtocolOptions() {
		if o, ok := unpack(a).(*upstreams.HttpProtocolOptions); ok {
			return o
		}
	}
	return nil
}

// http2 returns the options of HTTP/2 if Envoy asks the cluster's hosts by it. With
// use_downstream_protocol_config it does not, whatever the client speaks: a question is not the
// client's request.
func http2(c *cluster.Cluster) (o *core.Http2ProtocolOptions, spoken bool) {
	p := protocol(c)
	switch {
	case p.GetExplicitHttpConfig().GetHttp2ProtocolOptions() != nil:
		return p.GetExplicitHttpConfig().GetHttp2ProtocolOptions(), true
	case p.GetAutoConfig() != nil && (c.GetTransportSocket() != nil || len(c.GetTransportSocketMatches()) > 0):
		return p.GetAutoConfig().GetHttp2ProtocolOptions(), true // by ALPN
	}
	old := c.GetHttp2ProtocolOptions() //nolint:staticcheck // what is deprecated still acts
	return old, old != nil
}

func clusterNotHTTP2(f *facts, report report) {
	for _, a := range f.existing() {
		if _, spoken := http2(a.Cluster); !spoken {
			report(policy.Error, a.place(), "Envoy speaks HTTP/1 to it, and gRPC needs HTTP/2", "nothing is answered: each request with an Origin gets no grant, or an error if it fails closed",
				`typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}`)
		}
	}
}

// clusterUnhealthy reports hosts that are down, as /clusters tells.
func clusterUnhealthy(f *facts, report report) {
	for _, a := range f.existing() {
		hosts, known := f.hosts[a.name]
		if !known {
			continue
		}
		var down []string
		for _, h := range hosts {
			if !h.healthy {
				down = append(down, h.address)
			}
		}
		seen := "each request with an Origin gets no grant, or an error if it fails closed"
		if a.seldom {
			seen = "what is compiled is decided, and what Envoy asks about gets no grant, or an error if it fails closed; changes of the policies do not arrive"
		}
		switch {
		case len(hosts) == 0:
			report(policy.Error, a.place(), "it has no host", seen, "look at the cluster's addresses, and at the name that DNS or discovery resolves")
		case len(down) == len(hosts):
			report(policy.Error, a.place(), "no host of it is healthy: "+strings.Join(down, ", "), seen,
				"start corsgate there; if it runs, look whether both sides speak TLS, and trust each other, and whether it is ready (\"corsgate health\")")
		case down != nil:
			report(policy.Warning, a.place(), fmt.Sprintf("%d of %d hosts are not healthy: %s", len(down), len(hosts), strings.Join(down, ", ")),
				"the others answer; if they go, too, nothing does", "start corsgate there, or take the addresses away")
		}
	}
}

// clusterHealthCheck judges how dead hosts are found. corsgate knows three names of
// services, and Envoy drops a host at once that does not know the name.
func clusterHealthCheck(f *facts, report report) {
	for _, a := range f.existing() {
		checks := a.GetHealthChecks()
		if len(checks) == 0 {
			level := policy.Warning
			if a.byControlPlane() {
				level = policy.Note
			}
			report(level, a.place(), "it has no health check", "a corsgate that is dead is found by requests that wait for it",
				"health_checks as \"corsgate envoy-config\" prints them, with grpc_health_check")
		}
		for _, c := range checks {
			name := c.GetGrpcHealthCheck().GetServiceName()
			if c.GetGrpcHealthCheck() != nil && name != "" && name != contract.ExtProc && name != contract.ExtAuthz {
				report(policy.Error, a.place(), "grpc_health_check asks for a service that corsgate does not know", "Envoy takes every host of it for dead",
					"service_name: "+contract.ExtProc+", or none")
			}
			if c.GetHttpHealthCheck() != nil {
				report(policy.Error, a.place(), "it is checked by HTTP, and corsgate's port speaks gRPC", "Envoy takes every host of it for dead", "grpc_health_check: {} instead of http_health_check")
			}
		}
	}
}

// defaultRequests is how many requests to a cluster may be open if nothing is said.
const defaultRequests = 1024

// clusterLimits judges how many questions may be open, and wait, at once.
func clusterLimits(f *facts, report report) {
	for _, a := range f.existing() {
		most := uint32(defaultRequests)
		for _, t := range a.GetCircuitBreakers().GetThresholds() {
			if t.GetPriority() == core.RoutingPriority_DEFAULT {
				most = min(limit(t.GetMaxRequests()), limit(t.GetMaxPendingRequests()))
			}
		}
		if most > defaultRequests {
			continue
		}
		level := policy.Warning
		if a.byControlPlane() && most == defaultRequests {
			level = policy.Note
		}
		report(level, a.place(), fmt.Sprintf("at most %d questions may be open, or wait, at once", most), "under load Envoy does not ask, and such requests get no grant, or an error if it fails closed",
			"circuit_breakers: {thresholds: [{max_pending_requests: 100000, max_requests: 100000, max_retries: 1000}]}")
	}
}

// limit returns a limit, or Envoy's default.
func limit(v *wrapperspb.UInt32Value) uint32 {
	if v == nil {
		return defaultRequests
	}
	return v.GetValue()
}

// shortestPing is the least time between pings that corsgate takes.
const shortestPing = 500 * time.Millisecond

func clusterKeepalive(f *facts, report report) {
	for _, a := range f.existing() {
		o, _ := http2(a.Cluster)
		if every := o.GetConnectionKeepalive().GetInterval(); every != nil && every.AsDuration() < shortestPing {
			report(policy.Warning, a.place(), fmt.Sprintf("it is pinged every %v", every.AsDuration()), "corsgate ends connections that are pinged more often than twice a second, and with them the questions that are open",
				"connection_keepalive: {interval: 5s, timeout: 2s}")
		}
	}
}
