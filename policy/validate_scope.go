package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// scopes knows which specs name a host or a path, to tell whether an entry is
// redundant.
type scopes struct {
	hosts map[string]owners // :: as written
	paths map[string]owners // :: as normalPrefix returns them
}

// owners are the first and the last of the specs that name something.
type owners struct{ first, last int } // from 1

func (o *owners) add(spec int) {
	if o.first == 0 {
		o.first = spec + 1
	}
	o.last = spec + 1
}

// only reports whether spec is the only owner.
func (o owners) only(spec int) bool { return o.first == spec+1 && o.last == spec+1 }

func newScopes(memos []*Memo) *scopes {
	sc := &scopes{hosts: map[string]owners{}, paths: map[string]owners{}}
	for i, m := range memos {
		for _, h := range m.spec.Hosts {
			enter(sc.hosts, h, i)
		}
		for _, p := range m.spec.Paths {
			enter(sc.paths, normalPrefix(p), i)
		}
	}
	return sc
}

func enter(m map[string]owners, key string, spec int) {
	o := m[key]
	o.add(spec)
	m[key] = o
}

func (v *validator) checkHosts() {
	if v.s.Hosts != nil && len(v.s.Hosts) == 0 {
		// An empty list, as from a template, must not mean every host.
		v.fail("hosts-empty", "hosts", "", "the list of hosts is empty", "leave hosts out for every host")
	}
	listed := map[string]bool{}
	for _, h := range v.s.Hosts {
		listed[h] = true
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
		} else if by := v.hostCoveredBy(h, listed); by != "" {
			v.warn("host-redundant", field, h, fmt.Sprintf("already covered by %q", clip(by)), "remove it")
		}
		seen[h] = true
	}
}

// hostCoveredBy returns the "*." host of the same spec, which lists these, that makes
// h redundant. If another spec has that host too, or one between them, h is not
// redundant: it decides which of the two policies is chosen.
func (v *validator) hostCoveredBy(h string, listed map[string]bool) string {
	var between []string
	_, parent, found := strings.Cut(strings.TrimPrefix(h, "*."), ".")
	for found {
		star := "*." + parent
		between = append(between, star)
		if listed[star] {
			return v.alone(star, between)
		}
		_, parent, found = strings.Cut(parent, ".")
	}
	return ""
}

// alone returns host if no other spec than the current one names any of hosts.
func (v *validator) alone(host string, hosts []string) string {
	named := v.scopes().hosts
	for _, h := range hosts {
		if o, taken := named[h]; taken && !o.only(v.spec) {
			return ""
		}
	}
	return host
}

// hostCall and pathCall find matchers of Traefik's rules.
var (
	hostCall = regexp.MustCompile("^(?i:Host|HostSNI|HostRegexp)\\(\\s*[`'\"]([^`'\"]+)[`'\"]\\s*\\)$")
	pathCall = regexp.MustCompile("^(?i:Path|PathPrefix|PathRegexp)\\(\\s*[`'\"]([^`'\"]+)[`'\"]\\s*\\)$")
)

// badHost says what is wrong with an entry of hosts. If nothing is, code is
// empty.
func badHost(h string) (code, reason, hint string) {
	if m := hostCall.FindStringSubmatch(h); m != nil {
		return "host-syntax", "a host stands alone, without a rule around it", mended(m[1], badHost)
	}
	if hint, listed := apart(h, meantHost); listed {
		return "host-syntax", "an entry is one host", hint
	}
	if end := strings.LastIndex(h, "://"); end > 0 {
		return "host-scheme", "a host has no scheme", hostAlone(h[end+len("://"):])
	}
	if m := looseScheme.FindStringSubmatch(h); m != nil {
		return "host-scheme", "a host has no scheme", hostAlone(m[2])
	}
	switch {
	case h == "":
		return "host-empty", "the host is empty", "leave hosts out for every host"
	case h == "*":
		return "host-star", "every host is what a policy without hosts covers", "leave hosts out"
	case strings.TrimSpace(h) != h:
		return "host-syntax", "a host has no white space", mended(strings.TrimSpace(h), badHost)
	case isRange(h):
		return "host-syntax", "a range of addresses is not a host", "list the addresses one by one"
	case strings.ContainsAny(h, "/?#"):
		return "host-path", "a host has no path", hostAlone(h)
	case strings.ToLower(h) != h:
		return badHostCase(strings.ToLower(h))
	case strings.IndexFunc(h, func(r rune) bool { return r >= 0x80 }) >= 0:
		return "host-non-ascii", "requests carry the host in Punycode", `write the host's "xn--" form`
	}
	return badHostForm(h)
}

// meantHost returns the host that s certainly stands for, perhaps with a scheme
// before it. If that is not certain, it returns nothing.
func meantHost(s string) string {
	if _, rest, found := strings.Cut(s, "://"); found {
		s = strings.TrimRight(rest, "/")
	}
	s = strings.ToLower(s)
	if code, _, _ := badHost(s); code != "" || !isLocal(s) && !strings.ContainsAny(s, ".[") {
		return ""
	}
	return s
}

// badHostCase judges a host with capital letters; lower is the same without. If
// lower is not a host either, it says why, and nothing about the letters.
func badHostCase(lower string) (code, reason, hint string) {
	if code, reason, hint = badHost(lower); code == "host-syntax" {
		return code, reason, hint
	}
	return "host-case", "hosts are written in lower case; requests match in any case", mended(lower, badHost)
}

// mended returns the hint to write text. If bad refuses text too, it returns
// bad's hint.
func mended(text string, bad func(string) (code, reason, hint string)) string {
	if code, _, hint := bad(text); code != "" {
		return hint
	}
	return didYouMean(text)
}

// hostAlone is the hint for a host with something around it. A question mark may
// be part of a pattern.
func hostAlone(h string) string {
	host, _, _ := strings.Cut(strings.TrimLeft(h, "/"), "/")
	if host == "" || strings.ContainsAny(host, "?#") {
		return "write the host alone"
	}
	return mended(host, badHost)
}

func badHostForm(h string) (code, reason, hint string) {
	if isIPv6("[" + h + "]") {
		return "host-syntax", "an IPv6 address stands in brackets", didYouMean("[" + h + "]")
	}
	if strings.HasPrefix(h, ".") || strings.HasPrefix(h, chromeStar) {
		return "host-star", "the hosts below a domain are written with a star", mended("*."+strings.TrimLeft(h, "[*.]"), badHost)
	}
	name, starred := strings.CutPrefix(h, "*.")
	if host, port, ok := splitPort(name); (!ok || port != "") && strings.Trim(port, "0123456789*") == "" && isOriginHost(host) {
		return "host-port", "a host has no port; requests match on any", mended(strings.TrimSuffix(h, name)+host, badHost)
	}
	if strings.Contains(name, "*") || starred && isIP(name) {
		return "host-star", "a star stands only for the labels left of a domain", `write "*.example.com", or list the hosts one by one`
	}
	if word, rest, _ := strings.Cut(h, ":"); rest != "" {
		if text, known := Matched(word, strings.TrimSpace(rest)); known {
			return "host-syntax", "an entry is a host, with nothing before it", mended(text, badHost)
		}
	}
	if bare := strings.TrimRight(h, "."); bare != h {
		return "host-trailing-dot", "a host has no trailing dot; requests match with and without", mended(bare, badHost)
	}
	if !isOriginHost(name) {
		return "host-syntax", "this is not a host that a request can have", `write one such as "api.example.com", "127.0.0.1" or "[::1]"`
	}
	return "", "", ""
}

func (v *validator) checkPaths() {
	if v.s.Paths != nil && len(v.s.Paths) == 0 {
		v.fail("paths-empty", "paths", "", "the list of paths is empty", "leave paths out for every path")
	}
	listed := map[string]bool{}
	for _, p := range v.s.Paths {
		listed[normalPrefix(p)] = true
	}
	seen := map[string]bool{}
	for i, p := range v.s.Paths {
		field, path := at("paths", i), normalPrefix(p)
		if code, reason, hint := badPrefix(p); code != "" {
			v.fail(code, field, p, reason, hint)
			continue
		}
		if pathPattern.MatchString(p) || isPathList(p) {
			v.warn("looks-like-pattern", field, p, "paths are literal: a request must begin with this very text", pathHint(p))
		}
		if i := bareEscape(p); i >= 0 {
			v.warn("path-escape", field, p, fmt.Sprintf(`%q begins no escape: it is read as a percent sign`, clip(p[i:])),
				fmt.Sprintf("write %q, if that is meant", clip(path)))
		}
		if seen[path] {
			v.warn("path-redundant", field, p, "the path is listed twice", "remove one")
		} else if by := v.pathCoveredBy(path, listed); by != "" {
			v.warn("path-redundant", field, p, fmt.Sprintf("already covered by %q", clip(by)), "remove it")
		}
		seen[path] = true
		v.checkDecoded(field, p, listed)
	}
}

// bareEscape returns the place of the first "%" in p that does not begin an
// escape, else -1. In a request's path, too, normaliseEscapes reads such a "%" as a
// percent sign.
func bareEscape(p string) int {
	for i := range len(p) {
		if _, escaped := escapeAt(p, i); p[i] == '%' && !escaped {
			return i
		}
	}
	return -1
}

// checkDecoded warns about a path that applications may read differently: a
// request for the path that they read is ambiguous, unless the same policy
// lists that path too.
func (v *validator) checkDecoded(field, p string, listed map[string]bool) {
	decoded := decodedPrefix(p)
	if code, _ := badPrefixText(decoded); code != "" || pathPattern.MatchString(decoded) {
		return // it cannot be listed
	}
	if decoded == normalPrefix(p) || coveredByAny(decoded, listed) {
		return
	}
	hint := fmt.Sprintf("list %q too, or alone", clip(decoded))
	if _, taken := v.scopes().paths[decoded]; taken {
		hint = "let one policy list both"
	}
	v.warn("path-decoded", field, p,
		fmt.Sprintf("applications may read it as %q; requests are denied if another policy answers differently for that path", clip(decoded)),
		hint)
}

// coveredByAny reports whether the list has path or one above it.
func coveredByAny(path string, list map[string]bool) bool {
	for path != "/" && !list[path] {
		path = above(path)
	}
	return list[path]
}

// above returns the path above path; that of the root is the root.
func above(path string) string { return path[:max(1, strings.LastIndexByte(path, '/'))] }

// pathCoveredBy returns the next shorter path that any spec names, if this
// spec lists it. If only another spec names that path, path is not redundant:
// it decides which of the two policies is chosen.
func (v *validator) pathCoveredBy(path string, listed map[string]bool) string {
	if path == "/" || path == "" || !coveredByAny(above(path), listed) {
		return ""
	}
	named := v.scopes().paths
	for path = above(path); !listed[path]; path = above(path) {
		if _, taken := named[path]; taken {
			return ""
		}
	}
	return path
}

// badPrefix says what is wrong with an entry of paths. If nothing is, code is
// empty.
func badPrefix(p string) (code, reason, hint string) {
	if code, reason = badPrefixText(p); code != "" {
		hint = pathHint(p)
	}
	return code, reason, hint
}

// badPrefixText refuses what cannot occur in a request's path, however it is
// read.
func badPrefixText(p string) (code, reason string) {
	switch {
	case p != "" && strings.ContainsAny(p[:1], "~^("):
		return "path-slash", "a path is not a regex, and begins with a slash"
	case !strings.HasPrefix(p, "/"):
		return "path-slash", "a path begins with a slash"
	case strings.Contains(p, "*"):
		return "path-star", "a path has no star: it covers all that is below it"
	case strings.ContainsAny(p, "?#"):
		return "path-query", "a path has neither query nor fragment, and is not a regex"
	case strings.Contains(p, `\`):
		return "path-backslash", `can never match: browsers and Envoy take "\" for a slash, and a path is not a regex`
	case strings.IndexFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0:
		return "path-characters", "requests carry such characters percent-encoded"
	case strings.Contains(p, "//"):
		return "path-empty-segment", "can never match: slashes of a request are merged"
	case hasDotSegment(normaliseEscapes(p)):
		return "path-dot-segment", "can never match: dot segments of a request are resolved"
	case mayHaveDotSegment(p):
		return "path-dot-segment", "applications may take this for a dot segment and resolve it"
	}
	return "", ""
}

// mayHaveDotSegment reports whether applications may find a dot segment in p.
func mayHaveDotSegment(p string) bool {
	_, others, _ := ReadPath(p)
	return slices.ContainsFunc(others, hasDotSegment)
}
