package fields

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// HostsMeet reports whether a request may be for two lists of hosts; an empty one is every host.
func HostsMeet(a, b []string) bool {
	return meet(a, b, func(x, y string) bool { return x == y || covers(x, y) || covers(y, x) })
}

// PathsMeet reports whether a path may match two lists of paths; an empty one is every path.
func PathsMeet(a, b []source.Path) bool {
	return meet(a, b, func(x, y source.Path) bool {
		switch {
		case x.Kind == source.RegexPath || y.Kind == source.RegexPath:
			return true
		case x.Kind == source.ExactPath && y.Kind == source.ExactPath:
			return x.Text.Text == y.Text.Text
		case x.Kind == source.ExactPath:
			return strings.HasPrefix(x.Text.Text, y.Text.Text)
		case y.Kind == source.ExactPath:
			return strings.HasPrefix(y.Text.Text, x.Text.Text)
		}
		return strings.HasPrefix(x.Text.Text, y.Text.Text) || strings.HasPrefix(y.Text.Text, x.Text.Text)
	})
}

// meet reports whether any of two lists fit.
func meet[T any](a, b []T, fit func(x, y T) bool) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(x T) bool {
		return slices.ContainsFunc(b, func(y T) bool { return fit(x, y) })
	})
}

// IsWider reports whether a list of hosts has more hosts than one, and that one by these.
func IsWider(hosts []string, host string) bool {
	return !slices.Contains(hosts, host) && (len(hosts) == 0 || slices.ContainsFunc(hosts, func(h string) bool { return covers(h, host) }))
}

// covers reports whether a host with a star covers another one.
func covers(wide, host string) bool {
	below, star := strings.CutPrefix(wide, "*")
	return star && wide != host && strings.HasSuffix(host, below)
}
