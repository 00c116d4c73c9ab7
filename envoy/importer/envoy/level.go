package envoyimport

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// filterName is the usual name of the cors filter; that of the API v2 was envoy.cors.
const filterName = "envoy.filters.http.cors"

// isUsual reports whether a filter of that name is a cors filter almost everywhere.
func isUsual(name string) bool { return name == filterName || name == "envoy.cors" }

// level is what one level of the configuration has about CORS: a route configuration, a
// virtual host, a route, or a cluster of several.
type level struct {
	typed    tree.Node   // a CorsPolicy in typed_per_filter_config
	old      tree.Node   // cors
	disabled *bool       // by a FilterConfig, or enabled by any other
	foreign  []tree.Node // of filters with other names
	misnamed []tree.Node // of a filter with another name than the usual one, if names are not known
	strips   bool        // the upstream's own permission is removed from answers
}

// levelOf reads n; names are those of the cors filters, nil if they are not known.
func levelOf(n tree.Node, names []string) level {
	l := level{old: n.Field("cors"), strips: NamesOrigin(n.Proto("response_headers_to_remove"))}
	for _, list := range []string{"typed_per_filter_config", "per_filter_config"} {
		for _, f := range n.Proto(list).Fields() {
			config, disabled, ok := perFilter(f)
			switch {
			case !ok:
			case names != nil && !slices.Contains(names, f.Key.Text):
				l.foreign = append(l.foreign, f.Node)
			default:
				l.typed, l.disabled = config, &disabled
				if names == nil && !isUsual(f.Key.Text) {
					l.misnamed = append(l.misnamed, f.Node)
				}
			}
		}
	}
	return l
}

// perFilter reads an entry of typed_per_filter_config; ok is false if it is not about CORS.
func perFilter(f tree.Field) (config tree.Node, disabled, ok bool) {
	config, name := unwrap(f.Node)
	if name == "FilterConfig" {
		disabled = config.Field("disabled").True()
		config, name = unwrap(config.Field("config"))
	}
	switch {
	case strings.HasSuffix(name, "CorsPolicy"), name == "" && isCORS(config):
		return config, disabled, true
	default:
		return tree.Node{}, disabled, isUsual(f.Key.Text)
	}
}

// NamesOrigin reports whether a list of headers to remove has Access-Control-Allow-Origin.
// They are removed from what the upstream answers, before the cors filter adds its own.
func NamesOrigin(list tree.Node) bool {
	return slices.ContainsFunc(list.Entries(), func(n tree.Node) bool { return strings.EqualFold(n.String(), "access-control-allow-origin") })
}

// levels are in Envoy's order: the least specific one first.
type levels []level

// policies returns the CorsPolicies that the filter reads. Those of typed_per_filter_config,
// at any level, hide the old ones (CorsFilter::initializeCorsPolicies).
func (ls levels) policies() (ps policies, hidden []tree.Node) {
	var old policies
	for _, l := range slices.Backward(ls) {
		if l.typed.Exists() {
			ps = append(ps, l.typed)
		}
		if l.old.Exists() {
			old = append(old, l.old)
		}
	}
	if len(ps) == 0 {
		return old, nil
	}
	return ps, old
}

// disabled reports whether the filter is left out, as the most specific level says, or else
// the filter itself.
func (ls levels) disabled(filter bool) bool {
	for _, l := range slices.Backward(ls) {
		if l.disabled != nil {
			return *l.disabled
		}
	}
	return filter
}

// strip reports whether one of the levels removes the upstream's own permission.
func (ls levels) strip() bool {
	return slices.ContainsFunc(ls, func(l level) bool { return l.strips })
}
