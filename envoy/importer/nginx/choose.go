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
	among := func(_ uri, l *location) certainty {
		if slices.Contains(locations, l) {
			return surely
		}
		return never
	}
	for _, l := range locations {
		if l == nil {
			continue
		}
		if i := slices.Index(locations, l.server().find(uri{}, among)[0].location); i >= 0 {
			return i
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
