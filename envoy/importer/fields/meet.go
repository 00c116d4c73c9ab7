package fields

import (
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// HostsMeet reports whether a request may be for two lists of hosts; an empty one is every host.
func HostsMeet(a, b []string) bool {
	return meet(a, b, func(x, y string) bool { return x == y || covers(x, y) || covers(y, x) })
}

// Reach is what is known of the paths that a path of a route matches: what they begin with.
type Reach struct {
	start string
	exact bool
}

// ReachOf returns what is known of a list of paths.
func ReachOf(paths []source.Path) (all []Reach) {
	for _, p := range paths {
		all = append(all, Reach{start(p), p.Kind == source.ExactPath})
	}
	return all
}

// PathsMeet reports whether a path may match two lists; an empty one is every path.
func PathsMeet(a, b []Reach) bool {
	return meet(a, b, func(x, y Reach) bool {
		switch {
		case x.exact && y.exact:
			return x.start == y.start
		case x.exact:
			return strings.HasPrefix(x.start, y.start)
		case y.exact:
			return strings.HasPrefix(y.start, x.start)
		}
		return strings.HasPrefix(x.start, y.start) || strings.HasPrefix(y.start, x.start)
	})
}

// start is what the paths that p matches begin with, as far as is known.
func start(p source.Path) string {
	if p.Kind != source.RegexPath {
		return p.Text.Text
	}
	tree, err := syntax.Parse(p.Text.Text, syntax.Perl)
	if err != nil || p.Fold {
		return ""
	}
	parts, begins := []*syntax.Regexp{tree}, !p.Search
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	if parts[0].Op == syntax.OpBeginText {
		parts, begins = parts[1:], true
	}
	if !begins || len(parts) == 0 || parts[0].Op != syntax.OpLiteral || parts[0].Flags&syntax.FoldCase != 0 {
		return ""
	}
	return string(parts[0].Rune)
}

// meet reports whether any of two lists fit.
func meet[T any](a, b []T, fit func(x, y T) bool) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(x T) bool {
		return slices.ContainsFunc(b, func(y T) bool { return fit(x, y) })
	})
}

// IsWider reports whether a list of hosts has more hosts than one, and that one by these.
func IsWider(hosts []string, host string) bool {
	return !slices.Contains(hosts, host) && Cover(hosts, host)
}

// Cover reports whether a list of hosts, of which an empty one is every host, covers a host, and
// not by its own name.
func Cover(hosts []string, host string) bool {
	return len(hosts) == 0 || slices.ContainsFunc(hosts, func(h string) bool { return covers(h, host) })
}

// Covering returns the entries that cover a host, itself first, and last "", which is every host.
func Covering(host string) []string {
	if host == "" {
		return []string{""}
	}
	all := []string{host}
	_, parent, found := strings.Cut(strings.TrimPrefix(host, "*."), ".")
	for found {
		all = append(all, "*."+parent)
		_, parent, found = strings.Cut(parent, ".")
	}
	return append(all, "")
}

// covers reports whether a host with a star covers another one.
func covers(wide, host string) bool {
	below, star := strings.CutPrefix(wide, "*")
	return star && wide != host && strings.HasSuffix(host, below)
}

// AcrossHosts returns the hosts that routes have to have, too, by their indexes: a policy for a host
// goes before one for more hosts, even if in the system a route for more hosts takes requests of
// one that lists the host. hosts are those of each route. isWide says whether a route is for a
// host and for more, and may go before one of own, which list the host; takes says whether it
// takes requests from another one.
func AcrossHosts(hosts [][]string, isWide func(i int, host string, own []int) bool, takes func(i, other int) bool) map[int][]string {
	byHost := map[string][]int{}
	for i, list := range hosts {
		for _, host := range list {
			byHost[host] = append(byHost[host], i)
		}
	}
	added := map[int][]string{}
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		own := byHost[host]
		var wide []int
		taken := false
		for i := range hosts {
			if isWide(i, host, own) {
				wide = append(wide, i)
				taken = taken || slices.ContainsFunc(own, func(k int) bool { return takes(i, k) })
			}
		}
		if !taken {
			continue
		}
		for _, i := range wide {
			added[i] = append(added[i], host)
		}
	}
	return added
}
