package policy

import "strings"

// Scope says how a spec's hosts and paths cover a request.
type Scope struct {
	// Host is the best entry of Spec.Hosts that covers the request's host, and
	// Path that of Spec.Paths; empty if the list is, which covers every one.
	Host, Path string
	// HostCovers and PathCovers tell whether there is one.
	HostCovers, PathCovers bool
	// Own tells that Path is as the spec lists it, and not as applications may
	// read that.
	Own bool
}

// Covers reports whether the spec is about the request.
func (s Scope) Covers() bool { return s.HostCovers && s.PathCovers }

// Beats reports whether a spec with the scope s goes before one with the scope
// t; both cover the request. It is the definition that a Set's choice of a
// policy must agree with: the exact host, then the longest "*." host, then
// every-host; then the longest path; then the spec that lists it.
func (s Scope) Beats(t Scope) bool {
	if a, b := hostRank(s.Host), hostRank(t.Host); a != b {
		return a > b
	}
	if len(s.Path) != len(t.Path) {
		return len(s.Path) > len(t.Path)
	}
	return s.Own && !t.Own
}

// hostRank is higher for what is more specific.
func hostRank(host string) int {
	if host != "" && !strings.HasPrefix(host, "*.") {
		return maxHostLen + len("*.") + 1
	}
	return len(host)
}

// Scope says how s covers a request for that authority and path, one of the
// readings of ReadPath, entry by entry. For other readings than the normalised
// one, other is true.
func (s *Spec) Scope(authority, path string, other bool) Scope {
	sc := Scope{HostCovers: len(s.Hosts) == 0, PathCovers: len(s.Paths) == 0, Own: len(s.Paths) == 0}
	host := hostOf(authority)
	for _, h := range s.Hosts {
		if h = strings.ToLower(h); hostCovers(h, host) && (!sc.HostCovers || hostRank(h) > hostRank(sc.Host)) {
			sc.Host, sc.HostCovers = h, true
		}
	}
	for _, p := range s.Paths {
		list := prefixes(p)
		if !other {
			list = list[:1]
		}
		for i, prefix := range list {
			with := sc
			with.Path, with.Own = strings.TrimRight(prefix, "/"), i == 0
			if pathCovers(with.Path, path) && (!sc.PathCovers || with.Beats(sc)) {
				sc, sc.PathCovers = with, true
			}
		}
	}
	return sc
}

func hostCovers(entry, host string) bool {
	parent, star := strings.CutPrefix(entry, "*.")
	if !star {
		return entry == host
	}
	return strings.HasSuffix(host, "."+parent) && len(host) <= maxHostLen
}

func pathCovers(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
