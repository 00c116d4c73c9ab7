package policy

import (
	"net/netip"
	"strings"
)

// checkForeign refuses an origin in what other systems write around it, and
// other URLs than those of sites and apps.
func checkForeign(e *PatternError) error {
	s := e.Value
	if len(s) > maxProposed { // so that what nests costs little
		return nil
	}
	if strings.Contains(s, chromeStar) {
		e.Code, e.Reason = "origin-star", "a star has no brackets"
		return e.mend(strings.Replace(s, chromeStar, "*.", 1))
	}
	if inner := unbracketed(s); inner != s {
		e.Code, e.Reason = "origin-list", "an entry is one origin, without brackets"
		return e.mend(inner)
	}
	if isRange(s) {
		e.Code, e.Reason, e.Hint = "origin-ip", "a range of addresses is not an origin", "list the addresses one by one"
		return e
	}
	word, rest, found := strings.Cut(s, ":")
	if !found || strings.HasPrefix(rest, "//") {
		return nil
	}
	if text, known := Matched(word, strings.TrimSpace(rest)); known {
		e.Code, e.Reason = "origin-scheme", "an entry is an origin or a pattern, with nothing before it"
		return e.mend(text)
	}
	if sent := senders[strings.ToLower(word)]; sent != "" {
		e.Code, e.Reason, e.Hint = "origin-scheme", "this is not an origin: "+sent, "list the origins of the pages that ask"
		return e
	}
	return nil
}

// chromeStar stands before a domain in Chrome's settings and policies, for it
// and all below it.
const chromeStar = "[*.]"

// unbracketed cuts the brackets of a list or of a link off s. An IPv6 address
// keeps its own, and so does a placeholder.
func unbracketed(s string) string {
	inner := s[1:max(1, len(s)-1)]
	switch _, err := netip.ParseAddr(inner); {
	case s[0] == '[' && strings.HasSuffix(s, "]") && err != nil,
		s[0] == '<' && strings.HasSuffix(s, ">") && strings.Contains(s, "://"):
		return inner
	}
	return s
}

// isRange reports whether s is a range of IP addresses, with or without a scheme.
func isRange(s string) bool {
	if _, rest, found := strings.Cut(s, "://"); found {
		s = rest
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// matchers are the words that other systems write before an origin, and what
// they say of it as a pattern. "%" is the origin. A blob's origin is that of
// the page in it (URL, #concept-url-origin).
var matchers = map[string]string{
	"exact": "%", "value": "%", "origin": "%", "prefix": "%*", "suffix": "*%", "regex": "%", "safe_regex": "%", "saferegex": "%",
	"access-control-allow-origin": "%", "blob": "%",
}

// Matched returns the pattern for text behind the word of another system, as in
// "exact: https://app.example.com", and whether the word is known.
func Matched(word, text string) (pattern string, known bool) {
	format, known := matchers[strings.ToLower(word)]
	return strings.Replace(format, "%", text, 1), known
}

const noPages = "no page has such a URL"

// senders says what pages of URLs without an origin of their own send (URL,
// #concept-url-origin; HTML, #determining-the-origin).
var senders = map[string]string{
	"about":       `pages of such URLs send the origin of the page that made them, or "null"`,
	"data":        `pages of such URLs send "null"`,
	"javascript":  noPages,
	"mailto":      noPages,
	"tel":         noPages,
	"urn":         noPages,
	"view-source": noPages,
}
