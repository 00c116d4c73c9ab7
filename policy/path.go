package policy

import (
	"slices"
	"strings"
)

// ReadPath returns the path of a request as it is normalised, and how else
// applications may read it: a page chooses how it spells a path, so that a policy
// must not depend on it. All readings are without query and fragment, with dot
// segments resolved and slashes merged. It costs one walk over an ordinary path.
//
// Normalised is RFC 3986, section 6.2.2: escapes of unreserved characters are
// decoded, hexadecimal digits are in upper case, and what no URI has is escaped.
//
// Applications decode once more: "%2F", "%5C" and "\" are slashes, and other
// escapes of reserved characters (RFC 3986, section 2.2) are decoded. They cut
// the parameters of each segment, from ";" on (RFC 3986, section 3.3). Some do
// one, some both, in either order, and they merge slashes before they resolve dot
// segments or after that.
func ReadPath(path string) (normalised string, others []string) {
	path, ordinary := cutQuery(path)
	if ordinary {
		return path, nil
	}
	path = resolveDots(normaliseEscapes(path))
	if strings.IndexByte(path, '%') < 0 && strings.IndexByte(path, ';') < 0 {
		return path, nil
	}
	decoded, cut := decodeReserved(path), cutParameters(path)
	for _, text := range []string{decoded, cut, cutParameters(decoded), decodeReserved(cut)} {
		for _, other := range []string{resolveDots(text), resolveDots(mergeSlashes(text))} {
			if other != path && !slices.Contains(others, other) {
				others = append(others, other)
			}
		}
	}
	return path, others
}

// cutQuery cuts what follows the path, and reports whether all readings leave
// the rest as it is.
func cutQuery(path string) (rest string, ordinary bool) {
	ordinary = true
	for i := range len(path) {
		switch pathBytes[path[i]] {
		case endsPath:
			return path[:i], ordinary
		case inDots:
			ordinary = ordinary && (i == 0 || path[i-1] != '/')
		case needsReading:
			ordinary = false
		}
	}
	return path, ordinary
}

// The kinds of bytes in a path.
const (
	ordinaryByte = iota
	endsPath     // "?" and "#"
	inDots       // "/" and ".", which matter behind a slash
	needsReading // "%", ";" and what no URI has
)

// pathBytes has the kind of each byte.
var pathBytes = func() (kinds [256]uint8) {
	for c := range kinds {
		switch c := byte(c); {
		case c == '?', c == '#':
			kinds[c] = endsPath
		case c == '/', c == '.':
			kinds[c] = inDots
		case c == '%', c == ';', !isUnreserved(c) && !isReserved(c):
			kinds[c] = needsReading
		}
	}
	return kinds
}()

// isUnreserved is RFC 3986, section 2.3.
func isUnreserved(c byte) bool {
	return isLower(c|0x20) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// isReserved is RFC 3986, section 2.2.
func isReserved(c byte) bool { return strings.IndexByte(":/?#[]@!$&'()*+,;=", c) >= 0 }

// pathBuffer is the length of paths that are rewritten without an allocation as
// long as nothing changes.
const pathBuffer = 256

// normaliseEscapes is RFC 3986, section 6.2.2.1 and 6.2.2.2, and section 2:
// what is not a character of a URI stands escaped in it.
func normaliseEscapes(path string) string {
	var buffer [pathBuffer]byte
	b := buffer[:0]
	for i := 0; i < len(path); i++ {
		c := path[i]
		d, escaped := escapeAt(path, i)
		switch {
		case escaped && isUnreserved(d):
			b = append(b, d)
		case escaped:
			b = appendEscape(b, d)
		case !isUnreserved(c) && !isReserved(c): // a "%" that begins no escape, too
			b = appendEscape(b, c)
		default:
			b = append(b, c)
		}
		if escaped {
			i += 2
		}
	}
	return unlessSame(path, b)
}

// decodeReserved decodes the escapes of reserved characters, and takes
// backslashes, which are escaped in a normalised path, for slashes.
func decodeReserved(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	var buffer [pathBuffer]byte
	b := buffer[:0]
	for i := 0; i < len(path); i++ {
		d, escaped := escapeAt(path, i)
		switch {
		case escaped && d == '\\':
			b = append(b, '/')
		case escaped && isReserved(d):
			b = append(b, d)
		default:
			b = append(b, path[i])
			continue
		}
		i += 2
	}
	return unlessSame(path, b)
}

// unlessSame returns b as a string, or path if it is the same.
func unlessSame(path string, b []byte) string {
	if path == string(b) {
		return path
	}
	return string(b)
}

// escapeAt returns the byte whose escape begins at i, if one does (RFC 3986,
// section 2.1).
func escapeAt(path string, i int) (d byte, ok bool) {
	if path[i] != '%' || i+2 >= len(path) {
		return 0, false
	}
	hi, lo := unhex(path[i+1]), unhex(path[i+2])
	return hi<<4 | lo, hi < 16 && lo < 16
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

func appendEscape(b []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[c>>4], digits[c&15])
}

// cutParameters cuts each segment at its first ";".
func cutParameters(path string) string {
	if strings.IndexByte(path, ';') < 0 {
		return path
	}
	var b strings.Builder
	for i, segment := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		segment, _, _ = strings.Cut(segment, ";")
		b.WriteString(segment)
	}
	return b.String()
}

func mergeSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// hasDotSegment reports whether a segment of path, behind a slash, is "." or "..".
func hasDotSegment(path string) bool {
	_, rest, more := strings.Cut(path, "/.")
	for more {
		if tail := strings.TrimPrefix(rest, "."); tail == "" || tail[0] == '/' {
			return true
		}
		_, rest, more = strings.Cut(rest, "/.")
	}
	return false
}

// resolveDots removes dot segments (RFC 3986, section 5.2.4) and, after that,
// empty ones, which is the order of Envoy's normalize_path and merge_slashes.
func resolveDots(path string) string {
	if !strings.Contains(path, "//") && !hasDotSegment(path) {
		return path
	}
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
