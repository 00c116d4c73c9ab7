package policy

import "strings"

// Reading is a way to read the path of a request. A page chooses how it spells
// a path, and an application may read it otherwise than Envoy does, so that a
// policy must not depend on it: see Set.Decide.
type Reading uint8

// The readings of a path. All are without query and fragment, with dot segments
// resolved and slashes merged.
const (
	// ReadNormalised is RFC 3986, section 6.2.2: escapes of unreserved characters
	// are decoded, hexadecimal digits are in upper case, and what no URI has is
	// escaped.
	ReadNormalised Reading = iota
	// ReadDecoded is decoded once more, as applications do it: "%2F", "%5C" and
	// "\" are slashes, other escapes of reserved characters (RFC 3986, section
	// 2.2) are decoded, and then the parameters of each segment, from ";" on (RFC
	// 3986, section 3.3), are cut.
	ReadDecoded
	// ReadCut is the same with the parameters cut first.
	ReadCut

	// NumReadings is the number of readings.
	NumReadings = iota
)

// ReadPath returns the path of a request as r reads it.
func ReadPath(path string, r Reading) string {
	rs := readPath(path)
	return rs.by(r)
}

// readings are a path's readings.
type readings struct {
	normalised string
	others     *otherReadings // nil if they are the same
}

// otherReadings are ReadDecoded and ReadCut.
type otherReadings struct{ decoded, cut string }

func (rs *readings) by(r Reading) string {
	switch {
	case rs.others == nil || r == ReadNormalised:
		return rs.normalised
	case r == ReadDecoded:
		return rs.others.decoded
	}
	return rs.others.cut
}

// readPath returns all readings of the path of a request. It costs one walk over
// an ordinary path.
func readPath(path string) readings {
	path, ordinary := cutQuery(path)
	if ordinary {
		return readings{normalised: path}
	}
	path = resolveDots(normaliseEscapes(path))
	decoded, cut := resolveDots(cutParameters(decodeReserved(path))), resolveDots(decodeReserved(cutParameters(path)))
	if decoded == path && cut == path {
		return readings{normalised: path}
	}
	return readings{path, &otherReadings{decoded, cut}}
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
// what is no character of a URI stands escaped in it.
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

// resolveDots removes dot segments (RFC 3986, section 5.2.4) and, after that,
// empty ones, which is the order of Envoy's normalize_path and merge_slashes.
func resolveDots(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
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
