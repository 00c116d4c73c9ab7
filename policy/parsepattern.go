package policy

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// PatternError says why a text is not an origin pattern, and what to write.
type PatternError struct {
	// Code is the rule's stable name, as in Problem.
	Code string
	// Value is the text. Reason says what is wrong with it, and Hint what to write
	// instead; Hint may be empty.
	Value, Reason, Hint string
	// Mended is the pattern that Hint proposes. It is empty if no pattern is
	// likely to be meant.
	Mended string
}

// Error returns the mistake on one line.
func (e *PatternError) Error() string {
	return Problem{Value: e.Value, Reason: e.Reason, Hint: e.Hint}.String()
}

const starHint = `"*" may be the whole leftmost label ("https://*.example.com"), part of it at a hyphen ("https://app-*.example.com"), the host ("https://*") or the port ("http://localhost:*")`

// ParsePattern reads an entry of allowOrigins: an origin, "*", "null", or an
// origin with a star where one is allowed. It refuses whatever could never
// equal the Origin that a browser sends. The error is a *PatternError.
func ParsePattern(s string) (Pattern, error) {
	// Lists of a million origins are read at each load, so plain origins take the
	// shortest way.
	if o, ok := parseOrigin(s); ok && isSpecial(o.Scheme) && !isWebSocketScheme(o.Scheme) {
		return Pattern{Form: FormExact, Scheme: o.Scheme, Host: o.Host, Port: o.Port}, nil
	}
	return readPattern(s)
}

// readPattern reads any pattern, or says what is wrong.
func readPattern(s string) (Pattern, error) {
	switch s {
	case "*":
		return Pattern{Form: FormAny}, nil
	case "null":
		return Pattern{Form: FormNull}, nil
	}
	if err := checkOriginText(s); err != nil {
		return Pattern{}, err
	}
	scheme, rest, _ := strings.Cut(s, "://")
	host, port, err := cutPatternPort(s, scheme, rest)
	if err != nil {
		return Pattern{}, err
	}
	p := Pattern{Scheme: scheme, Port: port}
	if err := p.setHost(s, host); err != nil {
		return Pattern{}, err
	}
	return p, nil
}

// isWebSocketScheme reports whether the scheme is a WebSocket's. No page has it.
func isWebSocketScheme(scheme string) bool { return scheme == "ws" || scheme == "wss" }

// checkOriginText refuses what is wrong with the text as a whole, in the order
// in which a reader would want to know it.
func checkOriginText(s string) error {
	if err := checkEntry(s); err != nil {
		return err
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found || scheme == "" || strings.HasSuffix(scheme, ":") {
		return badScheme(s)
	}
	if strings.ContainsAny(rest, "/?#") {
		return badPath(s, scheme, rest)
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		e := &PatternError{Code: "origin-userinfo", Value: s, Reason: "can never match: an origin has no user name"}
		return e.mend(scheme + "://" + rest[i+1:])
	}
	return checkOriginBytes(s, scheme, rest)
}

// badScheme says what is wrong with a text without a scheme.
func badScheme(s string) error {
	e := &PatternError{Code: "origin-scheme", Value: s, Reason: "can never match: an origin begins with a scheme", Hint: `write one such as "https://app.example.com"`}
	if s == "self" {
		e.Reason, e.Hint = "no word stands for the site itself", `list its origin, as "https://app.example.com"; what a site asks itself needs no CORS`
	}
	if text := withScheme(s); text != "" {
		return e.mend(text)
	}
	return e
}

func badPath(s, scheme, rest string) error {
	if isSpecial(strings.ToLower(scheme)) {
		rest = strings.TrimLeft(rest, "/") // as URL, #special-authority-ignore-slashes-state
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	e := &PatternError{Code: "origin-path", Value: s, Reason: "can never match: an origin has no path, query or fragment"}
	if again := scheme + "://"; strings.HasPrefix(rest, again) {
		for strings.HasPrefix(rest, again) {
			rest = rest[len(again):]
		}
		e.Code, e.Reason = "origin-scheme", "the scheme is written twice"
		return e.mend(again + rest)
	}
	if rest == authority+"/" {
		e.Code, e.Reason = "origin-trailing-slash", "can never match: an origin has no path"
	}
	return e.mend(scheme + "://" + authority)
}

func checkOriginBytes(s, scheme, rest string) error {
	e := &PatternError{Value: s}
	lower := strings.ToLower(scheme)
	switch {
	case isSpecial(lower) && strings.IndexFunc(rest, isNotASCII) >= 0:
		e.Code, e.Reason, e.Hint = "origin-non-ascii", "can never match: browsers send the host in Punycode", `write the host's "xn--" form`
	case isSpecial(lower) && strings.ToLower(rest) != rest:
		e.Code, e.Reason = "origin-case", "can never match: browsers send scheme and host in lower case"
		return e.mend(strings.ToLower(s))
	case lower != scheme:
		e.Code, e.Reason = "origin-case", "can never match: a scheme is sent in lower case"
		return e.mend(lower + "://" + rest)
	case strings.Contains(scheme, "*"):
		return badSchemeStar(e, rest)
	case isWebSocketScheme(scheme):
		e.Code, e.Reason = "origin-scheme", "can never match: a WebSocket's origin is that of its page"
		return e.mend(strings.Replace(scheme, "ws", "http", 1) + "://" + rest)
	case !isScheme(scheme):
		e.Code, e.Reason, e.Hint = "origin-scheme", "this is not a scheme", `write one such as "https://app.example.com"`
	default:
		return nil
	}
	return e
}

func isNotASCII(r rune) bool { return r >= 0x80 }

// badSchemeStar says what is wrong with a star in the scheme.
func badSchemeStar(e *PatternError, rest string) error {
	e.Code, e.Reason, e.Hint = "origin-star", "the scheme has no star", "list the origins of each scheme one by one"
	if https, http := MeantPattern("https://"+rest), MeantPattern("http://"+rest); https != "" && http != "" {
		e.Hint = fmt.Sprintf("list %q and %q one by one", https, http)
	}
	return e
}

// cutPatternPort cuts the port of rest, the part of s after "://".
func cutPatternPort(s, scheme, rest string) (host string, port int, err error) {
	if ip := bracketed(rest); ip != "" {
		e := &PatternError{Code: "origin-ip", Value: s, Reason: "can never match: browsers send an IPv6 address in brackets"}
		return "", 0, e.mend(scheme + "://" + ip)
	}
	host, text, ok := splitPort(rest)
	if !ok || strings.Contains(text, ":") {
		return "", 0, &PatternError{Code: "origin-port", Value: s, Reason: "the port is missing or the brackets are wrong",
			Hint: `write a port as in "https://app.example.com:8443", or an IPv6 address in brackets as in "https://[2001:db8::1]:8443"`}
	}
	if text == "*" {
		return host, AnyPort, nil
	}
	n, err := strconv.Atoi(text)
	if text != "" && err == nil && n != 0 && n == defaultPort(scheme) {
		e := &PatternError{Code: "origin-default-port", Value: s, Reason: "can never match: browsers leave out the default port"}
		return "", 0, e.mend(scheme + "://" + host)
	}
	port, ok = parsePort(text)
	if !ok {
		e := &PatternError{Code: "origin-port", Value: s, Reason: "the port is not one", Hint: `write a number from 1 to 65535 without leading zeros, or a star as in "http://localhost:*"`}
		if text == "[*]" { // any port in Spring's patterns
			e = e.mend(scheme + "://" + host + ":*")
		}
		return "", 0, e
	}
	return host, port, nil
}

// setHost reads the host of the pattern text s, which may have one star.
func (p *Pattern) setHost(s, host string) error {
	star := strings.IndexByte(host, '*')
	switch {
	case host == "" && isSpecial(p.Scheme):
		return &PatternError{Code: "origin-host", Value: s, Reason: "the host is missing", Hint: `write one such as "https://app.example.com"`}
	case star < 0:
		p.Form, p.Host = FormExact, host
		if isHostOf(p.Scheme, host) {
			return nil
		}
		return checkHost(s, host)
	case host == "*":
		p.Form = FormAnyHost
		return nil
	}
	return p.setStarHost(s, host, star)
}

func (p *Pattern) setStarHost(s, host string, star int) error {
	label, parent, found := strings.Cut(host, ".")
	if !found || star >= len(label) || strings.Count(host, "*") > 1 || strings.HasPrefix(host, "[") {
		return badStar(s)
	}
	p.Form, p.Host = FormSubdomain, parent
	if label != "*" {
		p.Form, p.Prefix, p.Suffix = FormLabel, label[:star], label[star+1:]
	}
	if !atHyphens(p.Prefix, p.Suffix) {
		return badStar(s)
	}
	if err := checkStarLabel(s, label); err != nil {
		return err
	}
	if isIPv4(parent) {
		return &PatternError{Code: "origin-star", Value: s, Reason: "an IP address has no subdomains", Hint: "list the addresses one by one"}
	}
	return checkHost(s, parent)
}

func badStar(s string) error {
	e := &PatternError{Code: "origin-star", Value: s, Reason: "the star stands where none is allowed"}
	if strings.Contains(s, "**") {
		return e.mend(severalStars.ReplaceAllString(s, "*"))
	}
	e.Hint = starHint
	return e
}

var severalStars = regexp.MustCompile(`\*+`)

// atHyphens reports whether a star between prefix and suffix is delimited by a
// hyphen or the label's edge, so that "app*" does not take in "apple".
func atHyphens(prefix, suffix string) bool {
	return (prefix == "" || strings.HasSuffix(prefix, "-")) && (suffix == "" || strings.HasPrefix(suffix, "-"))
}

// checkStarLabel checks the text around the star of a label.
func checkStarLabel(s, label string) error {
	if strings.Trim(label, "*-") == "" && label != "*" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
		return &PatternError{Code: "origin-label", Value: s, Reason: "a label neither begins nor ends with a hyphen", Hint: starHint}
	}
	return checkLabel(s, strings.ReplaceAll(label, "*", "x"))
}

// checkHost refuses a host that no browser would send. The hint has the
// spelling that a browser would send, if there is one.
func checkHost(s, host string) error {
	if strings.HasPrefix(host, "[") || strings.Contains(host, "::") {
		return checkIPv6(s, host)
	}
	if len(host) > maxHostLen {
		return &PatternError{Code: "origin-host", Value: s, Reason: "the host is longer than 253 bytes"}
	}
	if scheme, rest, _ := strings.Cut(s, "://."); strings.HasPrefix(host, ".") && isSpecial(scheme) {
		e := &PatternError{Code: "origin-label", Value: s, Reason: "a label of the host is empty"}
		return e.mend(scheme + "://*." + strings.TrimLeft(rest, "."))
	}
	for _, label := range strings.Split(strings.TrimSuffix(host, "."), ".") {
		if err := checkLabel(s, label); err != nil {
			return err
		}
	}
	if endsInNumber(host) && !isIPv4(host) {
		return &PatternError{Code: "origin-ip", Value: s, Reason: "can never match: browsers send an IPv4 address as four decimal numbers",
			Hint: `write it as in "http://127.0.0.1:3000"`}
	}
	return nil
}

func checkLabel(s, label string) error {
	reason := ""
	switch {
	case label == "":
		reason = "a label of the host is empty"
	case len(label) > maxLabelLen:
		reason = "a label of the host is longer than 63 bytes"
	case strings.IndexFunc(label, func(r rune) bool { return r > 0x7f || !isLabelByte(byte(r)) }) >= 0:
		reason = "the host has a character that no host has"
	default:
		return nil
	}
	return &PatternError{Code: "origin-label", Value: s, Reason: reason, Hint: `write a host as in "https://app.example.com"`}
}

func checkIPv6(s, host string) error {
	if isIPv6(host) {
		return nil
	}
	e := &PatternError{Code: "origin-ip", Value: s, Reason: "can never match: browsers send an IPv6 address compressed, in brackets",
		Hint: `write it as in "https://[2001:db8::1]:8443"`}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.Is6() && a.Zone() == "" {
		return e.mend(strings.Replace(s, host, "["+string(appendIPv6(nil, a))+"]", 1))
	}
	return e
}

// maxProposed bounds what a hint quotes.
const maxProposed = 256

// didYouMean proposes what is right.
func didYouMean(s string) string {
	if len(s) > maxProposed {
		return "write it so"
	}
	return "did you mean " + strconv.Quote(s) + "?"
}
