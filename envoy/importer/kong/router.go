package kong

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// rank is how Kong orders a route among those that match a request (get_priority in
// router/transform.lua), but for its paths.
type rank struct {
	weight     int // how many kinds of fields it has
	plainHosts bool
	headers    int
}

func rankOf(r *source.Route) (k rank) {
	kinds := map[string]bool{"hosts": len(r.Hosts) > 0, "paths": len(r.Paths) > 0}
	for _, condition := range r.Conditions {
		kind, _, _ := strings.Cut(condition.Text, " ")
		kinds[kind] = kind == "methods" || kind == "snis" || kind == "header"
		if kind == "header" {
			k.headers++
		}
	}
	for _, has := range kinds {
		if has {
			k.weight++
		}
	}
	k.plainHosts = len(r.Hosts) > 0 && !slices.ContainsFunc(r.Hosts, func(h string) bool { return strings.Contains(h, "*") })
	return k
}

// compare is positive if k goes before the other one, whatever their paths are.
func (k rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(k.weight, other.weight), compareBools(k.plainHosts, other.plainHosts), cmp.Compare(k.headers, other.headers))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// choose returns the route that Kong takes. Of equal ones it is the oldest.
func (c *config) choose(matching []source.Match) int {
	if !slices.ContainsFunc(matching, func(m source.Match) bool { _, ranked := c.ranks[m.Route.Place]; return ranked }) {
		return source.Longest(matching) // routes of the Gateway API
	}
	best := 0
	for i, m := range matching {
		if c.compare(m, matching[best]) > 0 {
			best = i
		}
	}
	return best
}

func (c *config) compare(a, b source.Match) int {
	return cmp.Or(
		c.rank(a.Route).compare(c.rank(b.Route)), compareBools(isRegex(a.Path), isRegex(b.Path)),
		cmp.Compare(c.regexPriorities[a.Path.Place], c.regexPriorities[b.Path.Place]), cmp.Compare(plainLength(a), plainLength(b)),
		cmp.Compare(c.ages[b.Path.Place], c.ages[a.Path.Place]),
	)
}

// isRegex reports whether Kong compares a path as a regex; of an exact one of an Ingress the
// controller makes one.
func isRegex(p source.Path) bool { return p.Kind == source.RegexPath || p.Kind == source.ExactPath }

func plainLength(m source.Match) int {
	if len(m.Route.Paths) == 0 || isRegex(m.Path) {
		return 0
	}
	return len(m.Path.Text.Text)
}

func (c *config) rank(r *source.Route) rank {
	if k, ranked := c.ranks[r.Place]; ranked {
		return k
	}
	return rankOf(r)
}

// acrossHosts adds routes for several hosts to those hosts that others list.
func (c *config) acrossHosts() {
	routes := c.result.Routes
	var hosts [][]string
	var reach [][]fields.Reach
	for _, r := range routes {
		hosts, reach = append(hosts, r.Hosts), append(reach, fields.ReachOf(r.Paths))
	}
	added := fields.AcrossHosts(hosts,
		func(i int, host string, _ []int) bool { return fields.IsWider(hosts[i], host) },
		func(i, k int) bool {
			return c.takesFrom(&routes[i], &routes[k]) && fields.PathsMeet(reach[i], reach[k])
		})
	var all []source.Route
	for i, r := range routes {
		all = append(all, r)
		if added[i] != nil {
			r.Hosts, r.Findings = added[i], nil
			all = append(all, r)
		}
	}
	c.result.Routes = all
}

// takesFrom reports whether a route may go before another one with the same path, and answers
// otherwise.
func (c *config) takesFrom(r, other *source.Route) bool {
	return r.CORS != other.CORS && c.rank(r).compare(c.rank(other)) >= 0
}
