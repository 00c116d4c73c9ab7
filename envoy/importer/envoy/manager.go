package envoyimport

import (
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// manager is what the HTTP filters of a listener mean for a route configuration.
type manager struct {
	tree.Node // http_filters, or one of them
	// names are those of the cors filters.
	names []string
	// disabled tells that routes have to enable it.
	disabled bool
	// policy is a CorsPolicy in the place of the filter's own configuration.
	policy tree.Node
	// scopes are what chooses its route configuration for a request.
	scopes tree.Node
	// setters are texts of other filters that name headers of CORS.
	setters []tree.Node
}

func managerOf(filters tree.Node) manager {
	m := manager{Node: filters, names: []string{}}
	for _, f := range filters.Entries() {
		config, name := unwrap(f.Proto("typed_config"))
		switch {
		case strings.HasSuffix(name, "CorsPolicy"), isCORS(config):
			m.policy = config
		case name == "Cors":
		case isUsual(f.Field("name").String()): // API v2, or without a type
		case discovers(f):
		default:
			m.setters = append(m.setters, setters(config)...)
			continue
		}
		m.names = append(m.names, f.Field("name").String())
		m.disabled = f.Field("disabled").True()
	}
	return m
}

// discovers reports whether a filter is a cors filter that comes by extension config discovery.
func discovers(f tree.Node) bool {
	for _, url := range f.Proto("config_discovery", "type_urls").Entries() {
		if strings.HasSuffix(url.String(), ".filters.http.cors.v3.Cors") {
			return true
		}
	}
	return false
}

// setters returns the texts at any depth of n that name the header that allows an origin.
func setters(n tree.Node) []tree.Node {
	var list []tree.Node
	if strings.Contains(strings.ToLower(n.String()), "access-control-allow-origin") {
		list = append(list, n)
	}
	for _, item := range n.Items() {
		list = append(list, setters(item)...)
	}
	for _, f := range n.Fields() {
		list = append(list, setters(f.Node)...)
	}
	return list
}

// findings are what the filters have to tell.
func (m *manager) findings() []source.Finding {
	c := &checker{}
	if m.policy.Exists() {
		c.tell(source.Differs, m.policy, "Envoy does not load a CorsPolicy here: it is read as the policy of all routes", "for Envoy, move it into typed_per_filter_config of the virtual host")
	}
	if m.scopes.Proto("scoped_route_configurations_list").Exists() {
		c.tell(source.Decide, m.scopes, "a request chooses its route configuration here, and the policies hold for requests that choose none, too", "")
	}
	for _, n := range m.setters {
		c.tell(source.Decide, n, "another filter names Access-Control-Allow-Origin here: what it does is not read", "list the origins that it allows in a policy's allowOrigins")
	}
	return c.findings
}
