package policy

import "strings"

// layer finds the policy of a host and path: the exact host beats the longest
// "*." host, which beats every-host; then the longest path wins.
type layer struct {
	exact    map[string]*pathIndex // :: host
	wildcard map[string]*pathIndex // :: what stands right of "*."
	anyHost  *pathIndex
	// longestPath is the length of the longest path of any policy: there is no
	// reason to look at more of a request's path.
	longestPath int
}

// pathIndex finds the policy with the longest path that covers a path.
type pathIndex struct {
	all    *compiled            // covers every path
	byPath map[string]*compiled // :: path without trailing slash
}

// add enters p for each of its hosts and paths.
func (l *layer) add(p *compiled, hosts, paths []string) {
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	for _, host := range hosts {
		x := l.host(strings.ToLower(host))
		x.add(p, paths)
	}
	for _, path := range paths {
		l.longestPath = max(l.longestPath, len(path))
	}
}

// host returns the index of a spec's host, made when it is new. The empty
// host is every host.
func (l *layer) host(host string) *pathIndex {
	if host == "" {
		if l.anyHost == nil {
			l.anyHost = &pathIndex{}
		}
		return l.anyHost
	}
	m := &l.exact
	if parent, ok := strings.CutPrefix(host, "*."); ok {
		m, host = &l.wildcard, parent
	}
	if *m == nil {
		*m = map[string]*pathIndex{}
	}
	x := (*m)[host]
	if x == nil {
		x = &pathIndex{}
		(*m)[host] = x
	}
	return x
}

func (x *pathIndex) add(p *compiled, paths []string) {
	if len(paths) == 0 {
		x.all = p
	}
	for _, path := range paths {
		path = strings.TrimRight(path, "/")
		if path == "" {
			x.all = p
			continue
		}
		if x.byPath == nil {
			x.byPath = map[string]*compiled{}
		}
		x.byPath[path] = p
	}
}

// find returns the policy that covers the request's authority and path, or nil.
func (l *layer) find(authority, path string) *compiled {
	host := hostOf(authority)
	if l.longestPath > 0 {
		path = normalisePath(path)
	}
	if p := l.exact[host].find(path, l.longestPath); p != nil {
		return p
	}
	if len(l.wildcard) > 0 && len(host) <= maxHostLen {
		if p := l.findWildcard(host, path); p != nil {
			return p
		}
	}
	return l.anyHost.find(path, l.longestPath)
}

func (l *layer) findWildcard(host, path string) *compiled {
	_, parent, found := strings.Cut(host, ".")
	for found {
		if p := l.wildcard[parent].find(path, l.longestPath); p != nil {
			return p
		}
		_, parent, found = strings.Cut(parent, ".")
	}
	return nil
}

// find returns the policy of the longest prefix of whole segments. Prefixes
// longer than longest cannot be in the index.
func (x *pathIndex) find(path string, longest int) *compiled {
	if x == nil {
		return nil
	}
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

// hostOf returns the host of an authority: without port and one trailing dot,
// in lower case.
func hostOf(authority string) string {
	host := authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// normalisePath returns the form of a request's path that policies' paths are
// compared with (RFC 3986, section 6.2.2): without query, unreserved
// characters decoded, dot segments resolved, then slashes merged, which is the
// order of Envoy's normalize_path and merge_slashes. "%2f", "%5c" and "\" are
// ordinary bytes.
func normalisePath(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if strings.IndexByte(path, '%') >= 0 {
		path = decodeUnreserved(path)
	}
	if strings.Contains(path, "//") || strings.Contains(path, "/.") {
		path = resolveDots(path)
	}
	return path
}

// decodeUnreserved decodes the percent-encoded bytes that need no encoding
// (RFC 3986, section 2.3).
func decodeUnreserved(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			hi, lo := unhex(path[i+1]), unhex(path[i+2])
			if d := hi<<4 | lo; hi < 16 && lo < 16 && isUnreserved(d) {
				c = d
				i += 2
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// unhex returns the value of a hexadecimal digit, else 16.
func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}

func isUnreserved(c byte) bool {
	return isLower(c|0x20) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// resolveDots removes dot segments (RFC 3986, section 5.2.4) and, after that,
// empty ones.
func resolveDots(path string) string {
	kept := make([]string, 0, 8)
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	var b strings.Builder
	for _, segment := range kept {
		if segment != "" {
			b.WriteByte('/')
			b.WriteString(segment)
		}
	}
	return b.String()
}
