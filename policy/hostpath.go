package policy

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// layer finds the policies of a host and path, one for each reading of the
// path.
type layer struct {
	normalised index
	// others has the policies' own paths in all their readings. It is nil if each
	// path has only one reading: then normalised is enough.
	others *index
}

// add enters p for each of its hosts and paths.
func (l *layer) add(p *compiled, hosts, paths []string) {
	l.normalised.add(p, hosts, paths)
	if l.others != nil {
		l.others.add(p, hosts, paths)
	}
}

// addReadings enters p for the other readings of its paths. It is called once all
// policies are added, since a path that a policy lists belongs to that policy.
func (l *layer) addReadings(p *compiled, hosts []string) {
	if len(p.readings) > 0 {
		l.others.add(p, hosts, p.readings)
	}
}

// hasPaths reports whether the path of a request matters.
func (l *layer) hasPaths() bool { return l.normalised.longestPath > 0 }

// find returns the policies that cover the request's authority and path, in its
// readings.
func (l *layer) find(authority, normalised string, others []string, tooMany bool) chosen {
	host := hostOf(authority)
	c := chosen{first: l.normalised.find(host, normalised)}
	alone := others == nil && !tooMany
	if alone && l.others == nil {
		return c
	}
	index := cmp.Or(l.others, &l.normalised)
	first := index.find(host, normalised)
	if alone && first == c.first {
		return c
	}
	policies := []*compiled{first}
	for _, path := range others {
		policies = append(policies, index.find(host, path))
	}
	if tooMany {
		policies = append(policies, index.findUnread(host))
	}
	return c.with(policies)
}

// index finds the policy of a host and path: the exact host beats the longest
// "*." host, which beats every-host; then the longest path wins.
type index struct {
	exact    map[string]*pathIndex // :: host
	wildcard map[string]*pathIndex // :: what stands right of "*."
	anyHost  *pathIndex
	// longestPath is the length of the longest path of any policy. More of a
	// request's path need not be looked at.
	longestPath int
}

// pathIndex finds the policy with the longest path that covers a path.
type pathIndex struct {
	all    *compiled            // covers every path
	byPath map[string]*compiled // :: path without trailing slash
}

func (x *index) add(p *compiled, hosts, paths []string) {
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	for _, host := range hosts {
		x.host(strings.ToLower(host)).add(p, paths)
	}
	for _, path := range paths {
		x.longestPath = max(x.longestPath, len(path))
	}
}

// host returns the index of a spec's host, and makes it if it is new. The
// empty host is every host.
func (x *index) host(host string) *pathIndex {
	if host == "" {
		if x.anyHost == nil {
			x.anyHost = &pathIndex{}
		}
		return x.anyHost
	}
	m := &x.exact
	if parent, ok := strings.CutPrefix(host, "*."); ok {
		m, host = &x.wildcard, parent
	}
	if *m == nil {
		*m = map[string]*pathIndex{}
	}
	paths := (*m)[host]
	if paths == nil {
		paths = &pathIndex{}
		(*m)[host] = paths
	}
	return paths
}

// add enters p for its paths, except those that an earlier policy has.
func (x *pathIndex) add(p *compiled, paths []string) {
	if len(paths) == 0 {
		x.all = cmp.Or(x.all, p)
	}
	for _, path := range paths {
		path = strings.TrimRight(path, "/")
		if path == "" {
			x.all = cmp.Or(x.all, p)
			continue
		}
		if x.byPath == nil {
			x.byPath = map[string]*compiled{}
		}
		x.byPath[path] = cmp.Or(x.byPath[path], p)
	}
}

// find returns the policy that covers the host and path, or nil.
func (x *index) find(host, path string) *compiled {
	for paths := range x.of(host) {
		if p := paths.find(path, x.longestPath); p != nil {
			return p
		}
	}
	return nil
}

// findUnread returns unread if the host's policies depend on the path, else the one
// that covers every path, or nil.
func (x *index) findUnread(host string) *compiled {
	for paths := range x.of(host) {
		if len(paths.byPath) > 0 {
			return unread
		}
		return paths.all // the other indexes are not reached
	}
	return nil
}

// of returns the indexes that cover the host, in the order in which they are
// asked.
func (x *index) of(host string) iter.Seq[*pathIndex] {
	return func(yield func(*pathIndex) bool) {
		if paths := x.exact[host]; paths != nil && !yield(paths) {
			return
		}
		if len(x.wildcard) > 0 && len(host) <= maxHostLen {
			_, parent, found := strings.Cut(host, ".")
			for found {
				if paths := x.wildcard[parent]; paths != nil && !yield(paths) {
					return
				}
				_, parent, found = strings.Cut(parent, ".")
			}
		}
		if x.anyHost != nil {
			yield(x.anyHost)
		}
	}
}

// find returns the policy of the longest prefix of whole segments. No prefix
// in the index is longer than longest.
func (x *pathIndex) find(path string, longest int) *compiled {
	if len(x.byPath) == 0 {
		return x.all
	}
	if len(path) > longest {
		// Keep a segment that ends exactly at the bound.
		path = path[:longest+1]
		path = path[:strings.LastIndexByte(path, '/')+1]
	}
	path = strings.TrimSuffix(path, "/")
	for path != "" {
		if p := x.byPath[path]; p != nil {
			return p
		}
		path = path[:max(strings.LastIndexByte(path, '/'), 0)]
	}
	return x.all
}

// hostOf returns the host of an authority: without user name, port and one
// trailing dot, in lower case.
func hostOf(authority string) string {
	host := cutUser(authority)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// cutUser cuts the user name of an authority. No browser sends one (RFC 9110,
// section 4.2.4), but a request with one must get its policy.
func cutUser(authority string) string {
	return authority[strings.LastIndexByte(authority, '@')+1:]
}

// normalPrefix returns the normal form of a policy's path: read like the path
// of a request, without a trailing slash. The root stays "/".
func normalPrefix(path string) string {
	return trimPrefix(normaliseEscapes(path))
}

// prefixes returns a policy's path in all its readings, the normal one first.
func prefixes(path string) []string {
	list := []string{normalPrefix(path)}
	_, others, _ := ReadPath(path)
	for _, other := range others {
		if other = trimPrefix(other); !slices.Contains(list, other) {
			list = append(list, other)
		}
	}
	return list
}

// decodedPrefix returns a policy's path as an application reads it that
// decodes it and cuts a query and parameters.
func decodedPrefix(path string) string {
	normalised, _, _ := ReadPath(path)
	path = cutDecodedQuery(slashBackslashes(decodeReserved(normalised)))
	return trimPrefix(mergeSlashes(removeDots(cutParameters(path))))
}

// trimPrefix drops trailing slashes. The root stays "/".
func trimPrefix(path string) string { return "/" + strings.Trim(path, "/") }
