package wire

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
)

// field is a request header that a decision looks at.
type field uint8

const (
	fieldMethod field = iota
	fieldAuthority
	fieldPath
	fieldProtocol
	fieldHost
	fieldOrigin
	fieldRequestMethod
	fieldRequestHeaders
	fieldRequestPrivateNetwork
	fieldSecFetchSite
	fieldUpgrade

	fieldCount
	fieldUnknown = fieldCount
)

// fieldNames are the names of the fields, by their length.
var fieldNames = [...][]struct {
	name  string
	field field
}{
	4:  {{"host", fieldHost}},
	5:  {{":path", fieldPath}},
	6:  {{"origin", fieldOrigin}},
	7:  {{":method", fieldMethod}, {"upgrade", fieldUpgrade}},
	9:  {{":protocol", fieldProtocol}},
	10: {{":authority", fieldAuthority}},
	14: {{"sec-fetch-site", fieldSecFetchSite}},
	29: {{"access-control-request-method", fieldRequestMethod}},
	30: {{"access-control-request-headers", fieldRequestHeaders}},
	38: {{"access-control-request-private-network", fieldRequestPrivateNetwork}},
}

// fieldOf returns the field of that name, in any case.
func fieldOf(name []byte) field {
	if len(name) >= len(fieldNames) {
		return fieldUnknown
	}
	for _, known := range fieldNames[len(name)] {
		if string(name) == known.name || equalFold(name, known.name) {
			return known.field
		}
	}
	return fieldUnknown
}

// requestHeaders collects request headers one by one.
type requestHeaders struct {
	values [fieldCount]string // of the first line of each
	seen   [fieldCount]bool
	// repeats are the other lines, in their order.
	repeats []line
}

// line is one header, or one entry of a map, for later use.
type line struct {
	field field
	key   []byte
	value []byte
}

func (h *requestHeaders) reset() {
	h.values, h.seen = [fieldCount]string{}, [fieldCount]bool{}
	clear(h.repeats)
	h.repeats = h.repeats[:0]
}

func (h *requestHeaders) add(f field, value []byte) {
	switch {
	case f == fieldUnknown:
	case h.seen[f]:
		h.repeats = append(h.repeats, line{field: f, value: value})
	default:
		h.seen[f], h.values[f] = true, text(value)
	}
}

// join joins the lines of repeated headers with "," (RFC 9110, section 5.3), so
// that two Origin lines never look like one origin. The joined values are
// appended to buf.
func (h *requestHeaders) join(buf []byte) []byte {
	for f := field(0); len(h.repeats) > 0 && f < fieldCount; f++ {
		start := len(buf)
		buf = append(buf, h.values[f]...)
		first := len(buf)
		for _, again := range h.repeats {
			if again.field == f {
				buf = append(append(buf, ','), again.value...)
			}
		}
		if len(buf) == first {
			buf = buf[:start]
			continue
		}
		h.values[f] = text(buf[start:])
	}
	return buf
}

// request fills in r with the collected headers and the name of the policy.
func (h *requestHeaders) request(r *policy.Request, named string) {
	*r = policy.Request{
		Policy:                named,
		Method:                h.values[fieldMethod],
		Authority:             cmp.Or(h.values[fieldAuthority], h.values[fieldHost]),
		Path:                  h.values[fieldPath],
		Protocol:              h.values[fieldProtocol],
		Origin:                h.values[fieldOrigin],
		RequestMethod:         h.values[fieldRequestMethod],
		RequestHeaders:        h.values[fieldRequestHeaders],
		RequestPrivateNetwork: h.values[fieldRequestPrivateNetwork],
		SecFetchSite:          h.values[fieldSecFetchSite],
		Upgrade:               h.values[fieldUpgrade],
	}
}

// corsPrefix begins the names of CORS's response headers.
const corsPrefix = "access-control-"

// responseHeaders collects those headers of an upstream's response that
// matter.
type responseHeaders struct {
	vary [][]byte // the values of all Vary lines
	// ownAnswer says that there is an Access-Control-Allow-Origin.
	ownAnswer bool
	// cors says that there is a header with corsPrefix.
	cors bool
	// others are the names with corsPrefix that are not among
	// corsResponseHeaders, as they came.
	others [][]byte
}

func (h *responseHeaders) reset() {
	clear(h.vary)
	clear(h.others)
	*h = responseHeaders{vary: h.vary[:0], others: h.others[:0]}
}

func (h *responseHeaders) add(name, value []byte) {
	switch {
	case equalFold(name, "vary"):
		h.vary = append(h.vary, value)
	case len(name) >= len(corsPrefix) && equalFold(name[:len(corsPrefix)], corsPrefix):
		h.addCORS(name, value)
	}
}

func (h *responseHeaders) addCORS(name, value []byte) {
	h.cors = true
	switch {
	case equalFold(name, allowOrigin):
		h.ownAnswer = h.ownAnswer || len(value) > 0
	case !isCORSResponseHeader(name) && utf8.Valid(name):
		h.others = append(h.others, name)
	}
}

func isCORSResponseHeader(name []byte) bool {
	for _, known := range corsResponseHeaders {
		if equalFold(name, known) {
			return true
		}
	}
	return false
}

// equalFold reports whether name is lower, which is in lower case; only ASCII
// letters have case.
func equalFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if lowerOf(c) != lower[i] {
			return false
		}
	}
	return true
}

func lowerOf(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func appendLower(buf, name []byte) []byte {
	for _, c := range name {
		buf = append(buf, lowerOf(c))
	}
	return buf
}

// appendOthers appends the removal of the other names, in lower case and each once.
func (h *responseHeaders) appendOthers(b []byte) []byte {
	slices.SortFunc(h.others, compareFold)
	for i, name := range h.others {
		if i == 0 || compareFold(name, h.others[i-1]) != 0 {
			var content int
			b, content = begin(b, mutationRemove)
			b = end(appendLower(b, name), content)
		}
	}
	return b
}

func compareFold(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(lowerOf(a[i]), lowerOf(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
