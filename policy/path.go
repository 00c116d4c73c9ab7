package policy

import (
	"slices"
	"strings"
)

// The bounds of the readings of a path: their number, and their bytes
// together. Only a path that is made to have many readings exceeds them.
const (
	maxReadings     = 64
	maxReadingBytes = 128 << 10
)

// steps are what applications do to a path. They may take any of these steps, in
// any order, and repeat them: one application may decode and then resolve dot
// segments, and the next one may decode again. Each step makes a path shorter or
// leaves it as it is.
var steps = []func(string) string{decodeReserved, slashBackslashes, cutDecodedQuery, cutParameters, removeDots, mergeSlashes}

// ReadPath returns the normalised path of a request, and how else applications
// may read it. A page chooses how it spells a path, so a decision must not depend
// on the spelling. All readings are without query and fragment, and with slashes
// merged. If there are too many, the rest is not looked at. An ordinary path
// costs one walk over it.
//
// Normalised is RFC 3986, section 6.2.2: escapes of unreserved characters are
// decoded, hexadecimal digits are in upper case, characters that no URI has are
// escaped, and dot segments are resolved. Browsers and Envoy resolve these before
// an application sees the path, and Envoy merges slashes only if it is told to.
func ReadPath(path string) (normalised string, others []string, tooMany bool) {
	path, ordinary := cutQuery(path)
	if ordinary {
		return path, nil, false
	}
	path = removeDots(normaliseEscapes(path))
	normalised = mergeSlashes(path)
	others, tooMany = otherReadings(path, normalised)
	return normalised, others, tooMany
}

// otherReadings returns how applications may read the path, without its normalised
// form.
func otherReadings(path, normalised string) (others []string, tooMany bool) {
	var buffer [8]string
	texts := append(buffer[:0], path)
	for i := 0; i < len(texts); i++ {
		if len(texts) > maxReadings || len(texts)*len(path) > maxReadingBytes {
			return others, true
		}
		texts = appendSteps(texts, texts[i])
		if other := mergeSlashes(texts[i]); other != normalised && !slices.Contains(others, other) {
			others = append(others, other)
		}
	}
	return others, false
}

// appendSteps takes each step on text, and appends the results that are new.
func appendSteps(texts []string, text string) []string {
	for _, step := range steps {
		if next := step(text); !slices.Contains(texts, next) {
			texts = append(texts, next)
		}
	}
	return texts
}

// cutQuery cuts what follows the path, and reports whether no reading changes
// the rest.
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

// pathBuffer is the length up to which a path that does not change needs no
// allocation.
const pathBuffer = 256

// normaliseEscapes is RFC 3986, section 6.2.2.1 and 6.2.2.2, and section 2:
// what is not a character of a URI is escaped.
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

// decodeReserved decodes the escapes of reserved characters (RFC 3986, section
// 2.2), "%2F" to a slash.
func decodeReserved(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	var buffer [pathBuffer]byte
	b := buffer[:0]
	for i := 0; i < len(path); i++ {
		if d, escaped := escapeAt(path, i); escaped && isReserved(d) {
			b = append(b, d)
			i += 2
			continue
		}
		b = append(b, path[i])
	}
	return unlessSame(path, b)
}

// slashBackslashes turns backslashes, which are escaped in a normalised path,
// into slashes.
func slashBackslashes(path string) string { return strings.ReplaceAll(path, "%5C", "/") }

// cutDecodedQuery cuts what follows a decoded "?" or "#": a proxy may decode the
// path and send it on, and the next reader cuts it there.
func cutDecodedQuery(path string) string {
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		return path[:end]
	}
	return path
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

// cutParameters cuts each segment at its first ";" (RFC 3986, section 3.3).
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
	if !strings.Contains(path, "//") {
		return path
	}
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b = append(b, path[i])
		}
	}
	return string(b)
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

// removeDots removes dot segments (RFC 3986, section 5.2.4). Slashes that follow
// each other stay, as in Envoy's normalize_path.
func removeDots(path string) string {
	if !hasDotSegment(path) {
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
	if len(kept) == 0 {
		return ""
	}
	return "/" + strings.Join(kept, "/")
}
