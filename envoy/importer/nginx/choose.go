package nginx

import (
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// keyOf finds the location of a route.
func keyOf(route *source.Route) string { return fmt.Sprint(route.Place, route.Hosts, route.Paths) }

// chooser has the locations of routes.
type chooser map[string]*location

// choose returns which of several routes nginx takes (ngx_http_core_find_location).
func (c chooser) choose(matching []source.Match) int {
	var locations []*location
	for _, m := range matching {
		locations = append(locations, c[keyOf(m.Route)])
	}
	for _, l := range locations {
		if l != nil {
			if found, _ := choose(l.server(), locations); found != nil {
				return slices.Index(locations, found)
			}
		}
	}
	return 0
}

// server is the location around all others.
func (l *location) server() *location {
	for l.parent != nil {
		l = l.parent
	}
	return l
}

// choose returns which of the locations that match is taken, of those within one. If it is taken
// for good, the regexes around it are not asked.
func choose(within *location, matching []*location) (found *location, forGood bool) {
	var prefix *location
	var regexes []*location
	for _, l := range matching {
		switch {
		case l == nil || l.parent != within:
		case l.isExact():
			return l, true
		case l.isRegex():
			regexes = append(regexes, l)
		case prefix == nil || len(l.path) > len(prefix.path):
			prefix = l
		}
	}
	if prefix != nil {
		if found, forGood = choose(prefix, matching); forGood {
			return found, true
		}
		if found == nil {
			found = prefix
		}
	}
	if len(regexes) == 0 || prefix != nil && prefix.modifier == "^~" {
		return found, false
	}
	if inner, _ := choose(regexes[0], matching); inner != nil {
		return inner, true
	}
	return regexes[0], true
}
