package envoyimport

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// host is a virtual host, or what stands for one in a part of a configuration.
type host struct {
	tree.Node // of its name and its domains
	name      string
	manager   *manager
	above     levels // of the route configuration
	level     tree.Node
	routes    []tree.Node // empty: one for all requests
	scopes    []scope
}

// scope are hosts of requests that a virtual host takes.
type scope struct {
	hosts     []string // empty: every host
	condition []source.Text
}

// istioName is how Istio names the virtual host of a host and port.
var istioName = regexp.MustCompile(`^([A-Za-z0-9*-]+(?:\.[A-Za-z0-9-]+)+):[0-9]+$`)

// setScopes reads the domains. otherwise holds if there are none.
func (h *host) setScopes(otherwise []string) (findings []source.Finding) {
	domains := h.Field("domains").Entries()
	if named := istioName.FindStringSubmatch(h.name); len(domains) == 0 && named != nil {
		otherwise = named[1:]
	}
	if len(domains) == 0 {
		h.scopes = []scope{{hosts: otherwise}}
		return nil
	}
	plain := map[string]bool{} // without a port
	for _, d := range domains {
		plain[strings.ToLower(d.String())] = true
	}
	common := scope{}
	every := false
	for _, d := range domains {
		name, port := cutPort(strings.ToLower(d.String()))
		if port && !plain[name] {
			findings = append(findings, finding(source.Differs, d, "policies have no ports: this one covers the host on every port", ""))
		}
		switch {
		case name == "*":
			every = true
		case !strings.Contains(name, "*"), strings.HasPrefix(name, "*.") && strings.Count(name, "*") == 1:
			if !slices.Contains(common.hosts, name) {
				common.hosts = append(common.hosts, name)
			}
		default:
			h.scopes = append(h.scopes, partly(d, name))
		}
	}
	if common.hosts != nil {
		h.scopes = append(h.scopes, common)
	}
	if every {
		h.scopes = append(h.scopes, scope{})
	}
	return findings
}

var port = regexp.MustCompile(`:[0-9]+$`)

func cutPort(domain string) (name string, cut bool) {
	name = port.ReplaceAllString(domain, "")
	return name, name != domain
}

// partly is the scope of a domain that policies cannot say: "*-eu.example.com", "www.*".
func partly(d tree.Node, name string) scope {
	s := scope{condition: []source.Text{{Place: d.Place(), Text: "host " + name}}}
	if _, parent, ok := strings.Cut(name, "."); ok && strings.HasPrefix(name, "*") && !strings.Contains(parent, "*") {
		s.hosts = []string{"*." + parent}
	}
	return s
}

// hosts returns the virtual hosts of the parts.
func (c *collection) virtualHosts() []*host {
	var hosts []*host
	read := map[string]bool{} // :: JSON of a route configuration; config dumps have some twice
	for i, p := range c.parts {
		switch p.kind {
		case routeConfiguration:
			text, err := p.Node.Proto("virtual_hosts").JSON()
			if err != nil || read[string(text)] {
				continue
			}
			read[string(text)] = true
			hosts = append(hosts, c.hostsOf(p)...)
		case virtualHost:
			hosts = append(hosts, hostOf(p.Node, p.manager, nil))
		case route:
			if i > 0 && c.parts[i-1].kind == route && c.parts[i-1].manager == p.manager {
				last := hosts[len(hosts)-1]
				last.routes = append(last.routes, p.Node)
				continue
			}
			hosts = append(hosts, &host{manager: p.manager, routes: []tree.Node{p.Node}})
		case holder:
			hosts = append(hosts, &host{Node: p.Node, name: p.Field("name").String(), manager: p.manager, level: p.Node})
		case corsPolicy:
			hosts = append(hosts, &host{manager: p.manager, above: levels{{typed: p.Node}}})
		}
	}
	return hosts
}

func (c *collection) hostsOf(p part) []*host {
	m := p.manager
	if m == nil {
		m = c.managerOf(p.Field("name").String())
	}
	above := levels{levelOf(p.Node, m.filterNames())}
	if m != nil && m.policy.Exists() {
		above = append(levels{{typed: m.policy}}, above...)
	}
	var hosts []*host
	for _, n := range p.Node.Proto("virtual_hosts").Entries() {
		hosts = append(hosts, hostOf(n, m, above))
	}
	return hosts
}

func hostOf(n tree.Node, m *manager, above levels) *host {
	return &host{Node: n, name: n.Field("name").String(), manager: m, above: above, level: n, routes: n.Field("routes").Entries()}
}

// managerOf returns a manager that gets the route configuration of that name; of several, one
// that has the cors filter.
func (c *collection) managerOf(name string) *manager {
	var found *manager
	for _, m := range c.managers {
		if m.name == name && name != "" && (found == nil || len(found.names) == 0) {
			found = m.manager
		}
	}
	return found
}

// filterNames are those of the cors filters; nil if they are not known, or if there is none.
func (m *manager) filterNames() []string {
	if m == nil || len(m.names) == 0 {
		return nil
	}
	return m.names
}
