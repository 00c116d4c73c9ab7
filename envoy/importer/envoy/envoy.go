// Package envoyimport reads what Envoy's own cors filter does, in bootstraps, config dumps,
// resources of xDS, and parts of these.
package envoyimport

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Claims reports whether doc is a configuration of Envoy, or a part of one.
func Claims(doc tree.Node) bool {
	if _, ok := tree.ObjectOf(doc); ok {
		return false
	}
	c := collection{}
	c.collect(doc, nil)
	return len(c.parts)+len(c.managers) > 0 || isWhole(doc)
}

// isWhole reports whether doc is a whole configuration, with anything about CORS or not.
func isWhole(doc tree.Node) bool {
	for _, name := range []string{"static_resources", "dynamic_resources", "static_listeners", "dynamic_listeners"} {
		if doc.Proto(name).Exists() {
			return true
		}
	}
	for _, list := range []string{"configs", "resources"} {
		for _, item := range doc.Field(list).Entries() {
			if strings.HasPrefix(item.Field("@type").String(), "type.googleapis.com/envoy.") {
				return true
			}
		}
	}
	return false
}

// Read returns what Envoy does by docs.
func Read(docs []tree.Node) source.Config {
	c := collection{}
	for _, doc := range tree.Unlist(docs) {
		if _, ok := tree.ObjectOf(doc); !ok {
			c.collect(doc, nil)
		}
	}
	return c.config()
}

// ReadPart returns what Envoy does by a part of its configuration that holds for hosts.
func ReadPart(n tree.Node, hosts []string) source.Config {
	c := collection{hosts: hosts}
	c.collect(n, nil)
	config := c.config()
	if len(c.parts) == 0 {
		m := manager{setters: setters(n)}
		config.Findings = append(config.Findings, m.findings()...)
	}
	return config
}

// collection are the parts of a configuration that are about routes.
type collection struct {
	hosts    []string // of what has no domains
	parts    []part
	managers []namedManager
}

// part is a route configuration, or a part of one.
type part struct {
	tree.Node
	kind kind
	// manager has the part inline; nil if none has, or it is not known.
	manager *manager
}

// kind says what a part is.
type kind uint8

const (
	routeConfiguration kind = iota
	virtualHost
	route
	holder     // of a CorsPolicy: any level
	corsPolicy // itself
)

// namedManager is a manager that gets its route configuration by its name.
type namedManager struct {
	name string
	*manager
}

// outdated are the parts of a config dump that serve no request.
var outdated = []string{"warming_state", "draining_state", "error_state", "warmingState", "drainingState", "errorState"}

// collect looks for parts at any depth of n.
func (c *collection) collect(n tree.Node, m *manager) {
	for _, item := range n.Items() {
		c.collect(item, m)
	}
	if !n.IsMapping() {
		return
	}
	if filters := n.Proto("http_filters"); filters.Exists() {
		c.collectManager(n, filters)
		return
	}
	if isFilter(n) {
		c.collectManager(n, n)
		return
	}
	if kind, ok := kindOf(n); ok {
		c.parts = append(c.parts, part{n, kind, m})
		return
	}
	for _, f := range n.Fields() {
		if !slices.Contains(outdated, f.Key.Text) {
			c.collect(f.Node, m)
		}
	}
}

// isFilter reports whether n is a cors filter, or one with a CorsPolicy as its own configuration.
func isFilter(n tree.Node) bool {
	config, name := unwrap(n.Proto("typed_config"))
	return name == "Cors" || strings.HasSuffix(name, "CorsPolicy") || isCORS(config)
}

// collectManager reads the filters of a connection manager, and its routes.
func (c *collection) collectManager(n, filters tree.Node) {
	m := managerOf(filters)
	m.scopes = n.Proto("scoped_routes")
	c.managers = append(c.managers, namedManager{"", &m})
	for _, name := range namesOfRoutes(n) {
		c.managers = append(c.managers, namedManager{name, &m})
	}
	before := len(c.parts)
	c.collect(n.Proto("route_config"), &m)
	c.collect(m.scopes, &m)
	if len(c.parts) == before && (m.policy.Exists() || len(m.setters) > 0) {
		c.parts = append(c.parts, part{n, holder, &m})
	}
}

// namesOfRoutes returns the names of route configurations at any depth of n.
func namesOfRoutes(n tree.Node) []string {
	var names []string
	for _, f := range n.Fields() {
		if f.Key.Text == "route_config_name" || f.Key.Text == "route_configuration_name" || f.Key.Text == "routeConfigName" {
			names = append(names, f.String())
		}
		names = append(names, namesOfRoutes(f.Node)...)
	}
	for _, item := range n.Items() {
		names = append(names, namesOfRoutes(item)...)
	}
	return names
}

func kindOf(n tree.Node) (k kind, ok bool) {
	has := func(name string) bool { return n.Proto(name).Exists() }
	switch {
	case has("virtual_hosts"):
		return routeConfiguration, true
	case (n.Field("routes").IsList() || n.Field("matcher").IsMapping()) && (n.Field("domains").IsList() || n.Field("cors").IsMapping()):
		return virtualHost, true
	case n.Field("match").IsMapping() && (n.Field("route").IsMapping() || n.Field("cors").IsMapping() ||
		has("redirect") || has("direct_response") || has("typed_per_filter_config")):
		return route, true
	case n.Field("cors").IsMapping() && isCORS(n.Field("cors")), hasCORS(n):
		return holder, true
	case isCORS(n):
		return corsPolicy, true
	}
	return 0, false
}

// hasCORS reports whether something of n's filters is about CORS.
func hasCORS(n tree.Node) bool {
	l := levelOf(n, nil)
	return l.typed.Exists() || l.disabled != nil
}
