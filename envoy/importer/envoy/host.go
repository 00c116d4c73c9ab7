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
	above     levels          // of the route configuration
	config    int             // which route configuration it is of; 0: not known
	names     map[string]bool // the hosts of all virtual hosts of that
	level     tree.Node
	routes    []tree.Node // empty: one for all requests
	scopes    []scope
	entries   []entry
	answer    string // see answers
}

// matcher is the tree that chooses one of its routes; if there is one, routes have to be empty.
func (h *host) matcher() tree.Node { return h.level.Field("matcher") }

// scope are hosts of requests that a virtual host takes.
type scope struct {
	hosts     []string // empty: every host
	condition []source.Text
}

// every reports whether s has every host.
func (s scope) every() bool { return s.hosts == nil && s.condition == nil }

// istioName is how Istio names the virtual host of a host and port.
var istioName = regexp.MustCompile(`^([A-Za-z0-9*-]+(?:\.[A-Za-z0-9-]+)+):[0-9]+$`)

// setScopes reads the domains. otherwise holds if there are none.
func (h *host) setScopes(otherwise []string) (findings []source.Finding) {
	domains := h.Field("domains").Entries()
	if len(domains) == 0 {
		if named := istioName.FindStringSubmatch(h.name); named != nil {
			otherwise = named[1:]
		}
		h.scopes = []scope{{hosts: otherwise}}
		return nil
	}
	names := map[string]bool{}
	for _, d := range domains {
		names[strings.ToLower(d.String())] = true
	}
	for _, d := range domains {
		name, port := cutPort(strings.ToLower(d.String()))
		if port && names[name] {
			continue // it is there without
		}
		names[name] = true
		if port {
			findings = append(findings, d.Finding(source.Decide, "policies have no ports: this one covers the host on every port", ""))
		}
		h.addDomain(d, name)
		if h.names != nil {
			h.names[name] = true
		}
	}
	return findings
}

// addDomain adds a domain to the scope of its kind.
func (h *host) addDomain(d tree.Node, name string) {
	plain := !strings.Contains(strings.TrimPrefix(name, "*."), "*")
	last := slices.IndexFunc(h.scopes, func(s scope) bool { return s.condition == nil && !s.every() })
	switch {
	case name == "*":
		h.scopes = append(h.scopes, scope{})
	case !plain:
		h.scopes = append(h.scopes, partly(d, name))
	case last >= 0:
		h.scopes[last].hosts = append(h.scopes[last].hosts, name)
	default:
		h.scopes = append(h.scopes, scope{hosts: []string{name}})
	}
}

// port finds a port, or every one: Envoy takes ":*" for a text that any text may follow.
var port = regexp.MustCompile(`:([0-9]+|\*)$`)

func cutPort(domain string) (name string, cut bool) {
	name = port.ReplaceAllString(domain, "")
	return name, name != domain
}

// hostCondition begins the condition of a domain that policies cannot say.
const hostCondition = "host "

// partly is the scope of a domain that policies cannot say: "*-eu.example.com", "www.*".
func partly(d tree.Node, name string) scope {
	s := scope{condition: []source.Text{{Place: d.Place(), Text: hostCondition + name}}}
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
			names := map[string]bool{}
			for _, h := range c.hostsOf(p) {
				h.config, h.names = i+1, names
				hosts = append(hosts, h)
			}
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
