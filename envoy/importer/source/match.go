package source

import "strings"

// Match is a route that matches a path, and the first of its longest paths that do. A route
// without paths has the path "/".
type Match struct {
	Route *Route
	Path  Path
	// Length is how much the path counts if the longest one is taken: without what makes a
	// regex of it, and an exact one more than a prefix.
	Length int
}

// First takes the first route (Envoy, Istio).
func First([]Match) int { return 0 }

// Longest takes the route of the longest path, and of several that are equally long the first
// with conditions, else the first (Gateway API, HTTPRouteRule.matches).
func Longest(matching []Match) int {
	best := 0
	for i, m := range matching[1:] {
		if m.goesBefore(matching[best]) {
			best = i + 1
		}
	}
	return best
}

func (m Match) goesBefore(other Match) bool {
	if m.Length != other.Length {
		return m.Length > other.Length
	}
	return len(m.Route.Conditions) > 0 && len(other.Route.Conditions) == 0
}

// Length returns how much a path counts if the longest one is taken: an exact path counts
// more than a prefix of its length.
func (p Path) Length() int {
	length := 2 * len(strings.TrimRight(p.Text.Text, "/"))
	if p.Kind == ExactPath {
		length++
	}
	return length
}
