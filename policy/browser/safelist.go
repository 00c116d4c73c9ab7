package browser

import (
	"slices"
	"strconv"
	"strings"
)

// The bounds of what needs no preflight (Fetch,
// #cors-safelisted-request-header and #cors-unsafe-request-header-names): of
// one value, and of all values together.
const (
	maxSafelistedValue  = 128
	maxSafelistedValues = 1024
)

// UnsafeValue is the value of a header that is known only for its preflight: it
// needs one, whatever it is.
const UnsafeValue = "(any)"

// unsafeWhy returns why h is not a CORS-safelisted request-header (Fetch,
// #cors-safelisted-request-header); empty when it is one.
func unsafeWhy(h Header) string {
	rule, known := safelist[strings.ToLower(h.Name)]
	switch {
	case !known:
		return "it is not a CORS-safelisted request header"
	case h.Value == UnsafeValue:
		return "its value is not one that needs no preflight"
	case len(h.Value) > maxSafelistedValue:
		return "its value is longer than 128 bytes"
	}
	return rule(h.Value)
}

// chromiumSafelist has the names of client hints and the like that Chromium
// takes for safelisted, besides the standard's, with a rule that says whether
// it does for the value. The page's User-Agent Chromium throws away.
var chromiumSafelist = map[string]func(value string) bool{
	"device-memory": isNumber, "downlink": isNumber, "dpr": isNumber, "rtt": isNumber, "viewport-width": isNumber, "width": isNumber,
	"ect":          func(value string) bool { return value == "slow-2g" || value == "2g" || value == "3g" || value == "4g" },
	"intervention": func(string) bool { return true },
	"save-data":    func(value string) bool { return value == "on" },
	"user-agent":   func(string) bool { return true },
}

// isNumber takes digits, with a fraction or not.
func isNumber(value string) bool {
	whole, fraction, found := strings.Cut(value, ".")
	return isDigits(whole) && (!found || isDigits(fraction))
}

// safelist has a rule for the value of each name: it says what is wrong with it.
var safelist = map[string]func(value string) string{
	"accept":           unsafeBytes,
	"accept-language":  unsafeLanguage,
	"content-language": unsafeLanguage,
	"content-type":     unsafeType,
	"range":            unsafeRange,
}

// unsafeBytes is Fetch, #cors-unsafe-request-header-byte.
func unsafeBytes(value string) string {
	for i := range len(value) {
		if c := value[i]; c < 0x20 && c != '\t' || strings.IndexByte("\"():<>?@[\\]{}\x7f", c) >= 0 {
			return "its value has the byte " + strconv.QuoteRune(rune(c))
		}
	}
	return ""
}

func unsafeLanguage(value string) string {
	for i := range len(value) {
		c := value[i]
		if alphanumeric := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'; !alphanumeric && strings.IndexByte(" *,-.;=", c) < 0 {
			return "its value is not a list of languages"
		}
	}
	return ""
}

// unsafeType looks at the essence of a MIME type (MIME Sniffing,
// #parsing-a-mime-type).
func unsafeType(value string) string {
	if why := unsafeBytes(value); why != "" {
		return why
	}
	essence, _, _ := strings.Cut(value, ";")
	switch strings.ToLower(strings.Trim(essence, " \t\r\n")) {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
		return ""
	}
	return "only text/plain, multipart/form-data and application/x-www-form-urlencoded need no preflight"
}

// unsafeRange is Fetch, #simple-range-header-value, with a start.
func unsafeRange(value string) string {
	const why = "its value is not a single range such as bytes=0-99"
	text, ok := strings.CutPrefix(value, "bytes=")
	from, to, dash := strings.Cut(text, "-")
	if !ok || !dash || !isDigits(from) {
		return why
	}
	if to == "" {
		return ""
	}
	if !isDigits(to) || less(to, from) {
		return why
	}
	return ""
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// less compares decimal numbers of any length.
func less(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// Unsafe is a header that a request may carry only after a preflight, and why.
type Unsafe struct {
	Name string `json:"name"` // in lower case
	Why  string `json:"why"`
}

// unsafeHeaders is Fetch, #cors-unsafe-request-header-names: sorted, each once.
func (p *Plan) unsafeHeaders() []Unsafe {
	var unsafe, safe []Unsafe
	size := 0
	for _, h := range p.Headers {
		name := strings.ToLower(h.Name)
		if safe := chromiumSafelist[name]; p.engine == Chromium && safe != nil && safe(h.Value) {
			continue
		}
		if why := unsafeWhy(h); why != "" {
			unsafe = append(unsafe, Unsafe{name, why})
			continue
		}
		safe = append(safe, Unsafe{name, "the safelisted headers together are longer than 1024 bytes"})
		size += len(h.Value)
	}
	if size > maxSafelistedValues {
		unsafe = append(unsafe, safe...)
	}
	slices.SortStableFunc(unsafe, func(a, b Unsafe) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(unsafe, func(a, b Unsafe) bool { return a.Name == b.Name })
}
