package policy

import (
	"fmt"
	"slices"
	"strings"
)

// scopes knows which specs name a host or a path, to tell whether an entry is
// redundant.
type scopes struct {
	hosts map[string]owners // :: as written
	paths map[string]owners // :: without trailing slash
}

// owners are the specs that name something: none, one, or several.
type owners struct{ first, last int } // from 1

func (o *owners) add(spec int) {
	if o.first == 0 {
		o.first = spec + 1
	}
	o.last = spec + 1
}

// only reports whether spec is the only owner.
func (o owners) only(spec int) bool { return o.first == spec+1 && o.last == spec+1 }

func newScopes(specs []Spec) scopes {
	sc := scopes{hosts: map[string]owners{}, paths: map[string]owners{}}
	for i := range specs {
		for _, h := range specs[i].Hosts {
			enter(sc.hosts, h, i)
		}
		for _, p := range specs[i].Paths {
			enter(sc.paths, trimPath(p), i)
		}
	}
	return sc
}

func enter(m map[string]owners, key string, spec int) {
	o := m[key]
	o.add(spec)
	m[key] = o
}

// trimPath drops trailing slashes; the root remains.
func trimPath(p string) string {
	if t := strings.TrimRight(p, "/"); t != "" || p == "" {
		return t
	}
	return "/"
}

func (v *validator) checkHosts() {
	if v.s.Hosts != nil && len(v.s.Hosts) == 0 {
		// A template that found none must not mean all.
		v.fail("hosts-empty", "hosts", "", "the list of hosts is empty", "leave hosts out for every host")
	}
	seen := map[string]bool{}
	for i, h := range v.s.Hosts {
		field := at("hosts", i)
		if code, reason, hint := badHost(h); code != "" {
			v.fail(code, field, h, reason, hint)
			continue
		}
		if seen[h] {
			v.warn("host-redundant", field, h, "the host is listed twice", "remove one")
		} else if by := v.hostCoveredBy(h); by != "" {
			v.warn("host-redundant", field, h, fmt.Sprintf("already covered by %q", clip(by)), "remove it")
		}
		seen[h] = true
	}
}

// hostCoveredBy returns the "*." host of the same spec that makes h redundant.
// It does not where another spec has that host too, for then h decides which
// of the two policies is chosen.
func (v *validator) hostCoveredBy(h string) string {
	_, parent, found := strings.Cut(strings.TrimPrefix(h, "*."), ".")
	for found {
		star := "*." + parent
		if o, named := v.scopes.hosts[star]; named {
			if o.only(v.spec) {
				return star
			}
			return ""
		}
		_, parent, found = strings.Cut(parent, ".")
	}
	return ""
}

// badHost says what is wrong with an entry of hosts; code is empty when
// nothing is.
func badHost(h string) (code, reason, hint string) {
	if scheme, rest, found := strings.Cut(h, "://"); found && scheme != "" {
		return "host-scheme", "a host has no scheme", didYouMean(rest)
	}
	switch {
	case h == "":
		return "host-empty", "the host is empty", "leave hosts out for every host"
	case h == "*":
		return "host-star", "every host is what a policy without hosts covers", "leave hosts out"
	case strings.TrimSpace(h) != h:
		return "host-syntax", "a host has no white space", didYouMean(strings.TrimSpace(h))
	case strings.ContainsAny(h, "/?#"):
		return "host-path", "a host has no path", didYouMean(h[:strings.IndexAny(h, "/?#")])
	case strings.ToLower(h) != h:
		return "host-case", "hosts are written in lower case; requests match in any case", didYouMean(strings.ToLower(h))
	case strings.IndexFunc(h, func(r rune) bool { return r >= 0x80 }) >= 0:
		return "host-non-ascii", "requests carry the host in Punycode", `write the host's "xn--" form`
	}
	return badHostForm(h)
}

func badHostForm(h string) (code, reason, hint string) {
	if isIPv6("[" + h + "]") {
		return "host-syntax", "an IPv6 address stands in brackets", didYouMean("[" + h + "]")
	}
	name, starred := strings.CutPrefix(h, "*.")
	if strings.Contains(name, "*") || starred && isIP(name) {
		return "host-star", "a star stands only for the labels left of a domain", `write "*.example.com", or list the hosts one by one`
	}
	if host, port, ok := splitPort(h); !ok || port != "" {
		return "host-port", "a host has no port; requests match on any", didYouMean(strings.TrimSuffix(host, ":"))
	}
	if bare := strings.TrimSuffix(h, "."); bare != h {
		return "host-trailing-dot", "a host has no trailing dot; requests match with and without", didYouMean(bare)
	}
	if !isOriginHost(name) {
		return "host-syntax", "this is no host that a request can have", `write one such as "api.example.com", "127.0.0.1" or "[::1]"`
	}
	return "", "", ""
}

func (v *validator) checkPaths() {
	if v.s.Paths != nil && len(v.s.Paths) == 0 {
		v.fail("paths-empty", "paths", "", "the list of paths is empty", "leave paths out for every path")
	}
	seen := map[string]bool{}
	for i, p := range v.s.Paths {
		field, path := at("paths", i), trimPath(p)
		if code, reason, hint := badPrefix(p); code != "" {
			v.fail(code, field, p, reason, hint)
			continue
		}
		if seen[path] {
			v.warn("path-redundant", field, p, "the path is listed twice", "remove one")
		} else if by := v.pathCoveredBy(path); by != "" {
			v.warn("path-redundant", field, p, fmt.Sprintf("already covered by %q", clip(by)), "remove it")
		}
		seen[path] = true
	}
}

// pathCoveredBy returns the next shorter path that any spec names, when it is
// one of this spec. Where another spec stands between, path decides which of
// the two policies is chosen.
func (v *validator) pathCoveredBy(path string) string {
	for path != "/" {
		path = path[:max(1, strings.LastIndexByte(path, '/'))]
		if _, named := v.scopes.paths[path]; named {
			if slices.ContainsFunc(v.s.Paths, func(p string) bool { return trimPath(p) == path }) {
				return path
			}
			return ""
		}
	}
	return ""
}

// badPrefix says what is wrong with an entry of paths; code is empty when
// nothing is.
func badPrefix(p string) (code, reason, hint string) {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "path-slash", "a path begins with a slash", didYouMean("/" + p)
	case strings.Contains(p, "*"):
		return "path-star", "a path has no star: it covers all that is below it", didYouMean(beforeStar(p))
	case strings.ContainsAny(p, "?#"):
		return "path-query", "a path has neither query nor fragment", didYouMean(p[:strings.IndexAny(p, "?#")])
	}
	return badPrefixText(p)
}

// badPrefixText refuses what no request has in its path after normalisePath.
func badPrefixText(p string) (code, reason, hint string) {
	switch {
	case strings.IndexFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0:
		return "path-characters", "requests carry such characters percent-encoded", didYouMean(encodePath(p))
	case strings.Contains(p, "%") && decodeUnreserved(p) != p:
		return "path-encoding", "can never match: unreserved characters are compared decoded", didYouMean(decodeUnreserved(p))
	case strings.Contains(p, "//"):
		return "path-empty-segment", "can never match: slashes of a request are merged", didYouMean(mergeSlashes(p))
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return "path-dot-segment", "can never match: dot segments of a request are resolved", "write the path that remains"
		}
	}
	return "", "", ""
}

// beforeStar returns the path above the segment that has a star.
func beforeStar(p string) string {
	p = p[:strings.IndexByte(p, '*')]
	return p[:max(1, strings.LastIndexByte(p, '/'))]
}

func mergeSlashes(p string) string {
	return "/" + strings.Join(strings.FieldsFunc(p, func(r rune) bool { return r == '/' }), "/")
}

// encodePath percent-encodes what no request has in its path.
func encodePath(p string) string {
	var b strings.Builder
	for i := range len(p) {
		if c := p[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String()
}
