package doctor

import (
	"fmt"
	"slices"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
)

func unreadParts(f *facts, report report) {
	for _, u := range f.unread {
		report(policy.Note, u.Place, u.What, u.Seen, u.Write)
	}
}

func tooOld(f *facts, report report) {
	if f.version.known() && f.version.major <= 1 && f.version.minor < envoy.OldestMinor {
		report(policy.Error, Place{}, fmt.Sprintf("this Envoy is %s, and corsgate supports 1.%d and newer", f.version, envoy.OldestMinor),
			"Envoy refuses the filters, or runs them otherwise than they were tested", fmt.Sprintf("update Envoy to 1.%d or newer", envoy.OldestMinor+1))
	}
}

const pasteFilters = "put the filters that \"corsgate envoy-config --only filters\" prints first into its http_filters"

func filtersMissing(f *facts, report report) {
	level, what, write := policy.Error, "none of its HTTP filters decides about CORS by corsgate", pasteFilters
	if len(f.managers) == 0 {
		what = "it has no listener with an http_connection_manager"
	}
	for _, m := range f.managers {
		if len(m.decides()) > 0 {
			return
		}
		if slices.ContainsFunc(m.filters, func(fl *filter) bool {
			return fl.kind == "ext_authz.v3.ExtAuthz" || fl.kind == "ext_proc.v3.ExternalProcessor"
		}) {
			level, what = policy.Warning, "none of its HTTP filters has \"corsgate\" in a name"
			write = "if one of them asks corsgate, name its cluster with --service-cluster; otherwise " + pasteFilters
		}
	}
	report(level, Place{}, what, "preflights reach the upstream, and its own CORS headers reach the page, or none do", write)
}

// chainUnguarded reports requests that take another way to the same application: it is
// certain if the listener is the same one, or if the routes lead to the same cluster.
func chainUnguarded(f *facts, report report) {
	guarded := map[*listener.Listener]bool{}
	reached := map[string]bool{}
	for _, m := range f.guarded() {
		guarded[m.listener] = true
		for _, name := range m.targets() {
			reached[name] = true
		}
	}
	if len(guarded) == 0 {
		return // filters-missing says it
	}
	for _, m := range f.managers {
		targets := m.targets()
		shared := slices.IndexFunc(targets, func(name string) bool { return reached[name] })
		switch {
		case len(m.decides()) > 0:
		case shared >= 0:
			report(policy.Error, m.place, fmt.Sprintf("it leads to the cluster %s, as another listener or filter chain does, but corsgate's filters are only there", targets[shared]),
				"whoever comes this way gets the upstream's own CORS headers, or none, and preflights reach the upstream", pasteFilters)
		case guarded[m.listener]:
			report(policy.Warning, m.place, "another filter chain of this listener has corsgate's filters, and this one has none",
				"requests of this filter chain get the upstream's own CORS headers, or none", pasteFilters)
		case m.servesPages(f):
			report(policy.Note, m.place, "it has no filter of corsgate's, as another listener has",
				"if pages of other origins call what is behind it, they get the upstream's own CORS headers, or none", pasteFilters)
		}
	}
}

// ownClusters are those that control planes serve Envoy's own pages by.
var ownClusters = []string{"agent", "prometheus_stats"}

// servesPages reports whether browsers may come by a connection manager: it leads to an
// application, and is not how a sidecar's application itself calls others.
func (m *manager) servesPages(f *facts) bool {
	inbound := func(l *listener.Listener) bool { return l.GetTrafficDirection() == core.TrafficDirection_INBOUND }
	if slices.ContainsFunc(f.listeners, inbound) && !inbound(m.listener) {
		return false
	}
	return slices.ContainsFunc(m.targets(), func(name string) bool { return !slices.Contains(ownClusters, name) })
}

// targets returns the clusters that the routes lead to.
func (m *manager) targets() (list []string) {
	for _, s := range m.routeSpots() {
		action := s.route.GetRoute()
		if name := action.GetCluster(); name != "" {
			list = append(list, name)
		}
		for _, w := range action.GetWeightedClusters().GetClusters() {
			list = append(list, w.GetName())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
