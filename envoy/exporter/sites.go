package exporter

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// site is what happens to the requests of a host that a policy names: the exact host, "*."
// and a domain, or "" for all others.
type site struct {
	host   string
	routes []route // of the longest paths first; the last one is for all other paths
}

// route is the rule for the paths below a prefix of whole segments; "" is every path. There
// may be no rule.
type route struct {
	path string
	rule *rule
}

// sitesOf returns a site for each host that policies name, and for all others.
//
// A host's own policies go before those of the "*." hosts that cover it, and these before
// those of every host. Targets look at one of them only, so each site has what is left
// of the less specific ones.
func sitesOf(specs []policy.Spec, rules []*rule) []site {
	hosts := hostsOf(specs)
	var sites []site
	for _, host := range hosts {
		s := site{host: host}
		for _, covering := range hosts {
			if covers(covering, host) {
				s.add(specs, rules, covering)
			}
		}
		if !s.has("") {
			s.routes = append(s.routes, route{})
		}
		slices.SortStableFunc(s.routes, func(a, b route) int { return len(b.path) - len(a.path) })
		sites = append(sites, s)
	}
	return sites
}

// hostsOf returns the hosts that policies name, the most specific ones first, and "".
func hostsOf(specs []policy.Spec) []string {
	hosts := []string{""}
	for i := range specs {
		for _, h := range specs[i].Hosts {
			if h = strings.ToLower(h); specs[i].Mode != policy.ModeShadow && !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	slices.SortStableFunc(hosts, func(a, b string) int { return rank(b) - rank(a) })
	return hosts
}

// rank is higher for what is more specific.
func rank(host string) int {
	if host != "" && !strings.HasPrefix(host, "*.") {
		return 1 << 16
	}
	return len(host)
}

// covers reports whether policies of one host are about another one, too.
func covers(host, other string) bool {
	parent, star := strings.CutPrefix(host, "*")
	return host == "" || host == other || star && strings.HasSuffix(other, parent)
}

// add adds the routes of the policies of a host, but those below a path that is there.
func (s *site) add(specs []policy.Spec, rules []*rule, host string) {
	var added []route
	for i := range specs {
		if specs[i].Mode == policy.ModeShadow || !names(specs[i].Hosts, host) {
			continue
		}
		for _, path := range pathsOf(&specs[i]) {
			if !s.has(path) {
				added = append(added, route{path, rules[i]})
			}
		}
	}
	s.routes = append(s.routes, added...)
}

func names(hosts []string, host string) bool {
	if len(hosts) == 0 {
		return host == ""
	}
	return slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

func pathsOf(s *policy.Spec) []string {
	if len(s.Paths) == 0 {
		return []string{""}
	}
	var paths []string
	for _, p := range s.Paths {
		paths = append(paths, strings.TrimRight(p, "/"))
	}
	return paths
}

// has reports whether a route covers all that is below a path.
func (s *site) has(path string) bool {
	return slices.ContainsFunc(s.routes, func(r route) bool { return r.path == path || strings.HasPrefix(path, r.path+"/") || r.path == "" })
}
