package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// pathHint says what to write instead of p, which is not a path of requests:
// the path that was surely meant, else what the field takes.
func pathHint(p string) string {
	text := strings.TrimFunc(p, isAround)
	if m := pathCall.FindStringSubmatch(text); m != nil {
		text = "prefix:" + m[1]
	}
	if hint := hostHint(text); hint != "" {
		return hint
	}
	if isPathList(text) {
		hint, _ := apart(text, servedPath)
		return hint
	}
	if m := markedPath.FindStringSubmatch(text); m != nil && !strings.HasPrefix(m[2], "//") {
		return patternHint(m[2], m[1] != "")
	}
	return relativeHint(strings.TrimLeft(text, "/"))
}

// markedPath is a path, perhaps behind what other systems write before it to
// say how it matches.
var markedPath = regexp.MustCompile(`^(=|\^~|~\*?|(?i:exact|prefix|path|pathprefix|regex):)?\s*\^?(/.*)$`)

// isPathList reports whether p is a list of paths in one text.
func isPathList(p string) bool {
	parts := SplitList(p)
	for _, part := range parts {
		if !strings.HasPrefix(part, "/") {
			return false
		}
	}
	return len(parts) > 1 && !strings.ContainsAny(p, ";(") // of parameters and of a regex
}

// servedPath returns p if it is a path that is accepted as it is, else nothing.
func servedPath(p string) string {
	if code, _ := badPrefixText(p); code != "" || pathPattern.MatchString(p) {
		return ""
	}
	return p
}

// urlText is a URL, perhaps without its scheme.
var urlText = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://|//)?([^/?#]+)(.*)$`)

// hostHint is for a URL, and for a path behind its host; empty if neither surely
// is what p is.
func hostHint(p string) string {
	m := urlText.FindStringSubmatch(p)
	if m == nil || len(m[1]) <= len("//") && !(strings.HasPrefix(m[3], "/") && isSurelyHost(m[2])) {
		return ""
	}
	host, path := hostOf(m[2]), m[3]
	code, _, _ := badHost(host)
	bad, _ := badPrefixText(path)
	switch {
	case code != "":
		return "write the host under hosts, and the path alone here"
	case path == "", path == "/":
		return fmt.Sprintf("write %q under hosts", host)
	case bad != "" || pathPattern.MatchString(path):
		return fmt.Sprintf("write %q under hosts, and the path alone here", host)
	}
	return fmt.Sprintf("write %q under hosts, and %q here", host, path)
}

// isSurelyHost reports whether nobody means a segment of a path by s: "index.php"
// and "v1.0" may be either.
func isSurelyHost(s string) bool {
	host, port, ok := splitPort(s)
	_, isPort := parsePort(port)
	name := strings.TrimPrefix(host, "*.")
	return ok && isPort && isOriginHost(name) && (port != "" || name != host || isLocal(host) || strings.Count(host, ".") > 1)
}

// relativePath begins with a segment that is not a host, a file or a pattern.
var relativePath = regexp.MustCompile(`^(\.|\.?[\w%-]+|\.\.)(/.*)?$`)

// relativeHint is for a path without its first slash.
func relativeHint(p string) string {
	switch {
	case relativePath.MatchString(p):
		return patternHint("/"+p, false)
	case strings.Contains(p, "*") && strings.Trim(p, "^.*()$") == "":
		return "leave paths out for every path"
	}
	return `write one such as "/v1", and a host under hosts`
}

// pathPattern finds what stands in expressions and in routers' parameters, and
// in no path that is served. A colon does only where it begins a segment, not in
// "/v1/things:batchGet", and a dollar sign only at the end: there is "/$metadata".
// Parentheses and a plus may stand in any.
var pathPattern = regexp.MustCompile("[]{}<>[|^*?\\\\\"`]" + `|\.\+|/:|\$$`)

var (
	// pathQuery finds a query or a fragment.
	pathQuery = regexp.MustCompile(`(\?[\w.~-]+=|#).*$`)
	// belowAll finds what says of a path that it covers what is below it, as
	// prefixes do, or that it ends.
	belowAll = regexp.MustCompile(`(/\??|\((\?:)?/\|\$\))(\(?\.[*+]\)?|\*+)?\$?$|\((\?:)?/\.\*\)\?\$?$|\$$`)
	// escapedByte finds a byte that a regex escapes, and that is not a class.
	escapedByte = regexp.MustCompile(`\\([/_-]|\.\b)`)
	// pathMark finds where a pattern begins.
	pathMark = regexp.MustCompile("[][(){}<>|^*?+$\\\\\"`]" + `|/:`)
)

// plainPath returns the path that p says as a pattern, or what is above its
// first segment with one: "/a" of "/a/{id}/b". It is empty if that is not a path
// of requests.
func plainPath(p string) (plain string, whole bool) {
	p = belowAll.ReplaceAllString(pathQuery.ReplaceAllString(p, ""), "")
	p = escapedByte.ReplaceAllString(p, "$1")
	whole = !pathPattern.MatchString(p)
	if at := pathMark.FindStringIndex(p); at != nil && !whole {
		p = p[:strings.LastIndexByte(p[:at[0]+1], '/')+1]
	}
	normalised, _, _ := ReadPath(p)
	if mayHaveDotSegment(p) {
		normalised = decodedPrefix(p)
	}
	plain = trimPrefix(normalised)
	if code, _ := badPrefixText(plain); code != "" {
		return "", false
	}
	return plain, whole
}

// patternHint proposes what to write instead of p, which begins with a slash;
// marked tells that something before it said how it matches.
func patternHint(p string, marked bool) string {
	switch plain, whole := plainPath(p); {
	case plain == "":
		return `write one such as "/v1"`
	case whole && marked:
		return fmt.Sprintf("write %q, which covers all that is below it", plain)
	case whole:
		return didYouMean(plain)
	case plain == "/":
		return "list the paths one by one"
	default:
		return fmt.Sprintf("list the paths one by one, or write %q, which covers all that is below it", plain)
	}
}
