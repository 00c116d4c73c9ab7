package policy

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// mend proposes text instead of e.Value. If text has a mistake, too, it takes over
// what is proposed for text. This ends, since no mistake comes back once it is
// corrected.
func (e *PatternError) mend(text string) *PatternError {
	e.Hint, e.Mended = meant(text), text
	_, err := ParsePattern(text)
	if bad, ok := errors.AsType[*PatternError](err); ok {
		e.Hint, e.Mended = bad.Hint, bad.Mended
	}
	return e
}

// meant is the hint to write a pattern.
func meant(pattern string) string {
	if pattern == "*" {
		return `write "*" alone, for every origin`
	}
	return "did you mean " + strconv.Quote(pattern) + "?"
}

// everybody are the ways in which other systems write "*".
var everybody = map[string]bool{
	"any": true, "all": true, "**": true, "*.*": true, "*:*": true, "*/*": true, "*://*": true, "*://*/*": true, "<all_urls>": true,
}

// isAround reports whether r may be around an origin by mistake: white space,
// a quote, or a separator of a list.
func isAround(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("\"'`“”‘’"+separators, r)
}

const separators = ",;|"

// placeholder finds a variable that a template should have replaced.
var placeholder = regexp.MustCompile(`\$[{(\pL_]|\{\{|\{%|<%|\{[\pL_.]+\}|<[\pL_ -]+>|%[\pL_]\w*%`)

// regexSyntax finds what only regexes have: an escape, an anchor, a group, a
// class, a count, ".*" that begins a host, and "?" after a scheme or a port, or
// within a host.
var regexSyntax = regexp.MustCompile(`[\\^$()]|(^|://)\.[*+]|\][*+?{]|\[[^\]:]*-|\.\+|\{\d|s\?://|://[^/]*\?$|://[^/?]*\?[^=/]*[.:]`)

// plainRegex removes what a regex without classes, groups and counts has
// beside its text.
func plainRegex(expr string) string {
	if strings.HasPrefix(expr, "/") {
		expr = strings.Trim(expr, "/")
	}
	expr = strings.TrimRight(strings.TrimLeft(expr, "~^"), "$")
	return strings.NewReplacer(
		`(:\d+)?`, ":*", `(:[0-9]+)?`, ":*", `:\d+`, ":*", ":[0-9]+", ":*", ".*", "*", ".+", "*", `\.`, ".", `\/`, "/", `\-`, "-", `\:`, ":",
	).Replace(expr)
}

// maxRead is how much of an entry is searched for what other systems write; no
// origin is that long.
const maxRead = 1024

// checkEntry refuses what is not an origin at all: an empty text, more than one
// origin, and what other systems accept instead.
func checkEntry(s string) error {
	if t := strings.TrimFunc(s, isAround); t != s || s == "" {
		return badAround(s, t)
	}
	e, head := &PatternError{Value: s}, s[:min(len(s), maxRead)]
	if err := checkForeign(e); err != nil {
		return err
	}
	switch {
	case strings.EqualFold(s, "null"):
		e.Code, e.Reason = "origin-case", `can never match: browsers send "null" in lower case`
		return e.mend("null")
	case everybody[strings.ToLower(s)]:
		e.Code, e.Reason = "origin-scheme", "this is not an origin"
		return e.mend("*")
	case placeholder.MatchString(head):
		e.Code, e.Reason, e.Hint = "origin-template", "a template's placeholder was not filled in", "fill it in before corsgate reads the file"
		return e
	case regexSyntax.MatchString(head):
		return badRegex(e)
	}
	return checkSingle(e, head)
}

// badAround judges s, which is t with something around it.
func badAround(s, t string) error {
	e := &PatternError{Value: s}
	switch {
	case t == "":
		e.Code, e.Reason, e.Hint = "origin-empty", "an origin is missing", `write one such as "https://app.example.com"`
		return e
	case strings.TrimSpace(s) != s:
		e.Code, e.Reason = "origin-whitespace", "can never match: an origin has no white space"
	case strings.Trim(s, separators) != s:
		e.Code, e.Reason = "origin-list", "an entry is one origin, without a separator"
	default:
		e.Code, e.Reason = "origin-quotes", "can never match: an origin has no quotes"
	}
	return e.mend(t)
}

// badRegex judges an entry that is written as a regex. If it fixes neither the
// scheme nor a dot before the host, it may mean one host, or all hosts with
// that ending.
func badRegex(e *PatternError) error {
	e.Code, e.Reason = "origin-regex", "this is written as a regex, and an entry is a pattern"
	if len(e.Value) <= maxRead {
		plain := plainRegex(e.Value)
		delimited := strings.Contains(plain, "://") || strings.HasPrefix(plain, ".") || strings.HasPrefix(plain, "*")
		if delimited && !regexSyntax.MatchString(plain) {
			e = e.mend(plain)
		}
	}
	switch e.Mended {
	case "":
		e.Hint = `write a pattern such as "https://*.example.com", or list it under allowOriginRegexes, with "origin-regex" under dangerously`
	case "*":
	default:
		e.Hint += " A regex belongs under allowOriginRegexes"
	}
	return e
}

// checkSingle refuses a list in one text. A comma always makes a list; another
// separator does if its parts could be origins.
func checkSingle(e *PatternError, head string) error {
	parts := SplitList(head)
	if len(parts) < 2 {
		return nil
	}
	first, second := MeantPattern(parts[0]), MeantPattern(parts[1])
	alike := first != "" && second != "" && strings.Contains(parts[0], "://") == strings.Contains(parts[1], "://")
	switch {
	case alike || strings.Contains(head, ","):
		e.Code, e.Reason, e.Hint = "origin-list", "an entry is one origin", OriginsApart(e.Value)
		if e.Hint == eachApart && first != "" {
			e.Hint += ", the first as " + strconv.Quote(first)
		}
	case strings.ContainsAny(head, separators):
		return nil // it has no host
	default:
		e.Code, e.Reason, e.Hint = "origin-whitespace", "can never match: an origin has no white space", `write one such as "https://app.example.com"`
	}
	return e
}

// eachApart is the hint for several entries in one text.
const eachApart = "write each as an entry of its own"

// apart is that hint with the entries of text. meant returns what an entry
// means, or nothing if it does not know. listed reports whether there are
// several entries, and meant knows them all.
func apart(text string, meant func(string) string) (hint string, listed bool) {
	parts := SplitList(text)
	if len(parts) < 2 || len(text) > maxProposed {
		return eachApart, false
	}
	for i, part := range parts {
		if parts[i] = meant(part); parts[i] == "" {
			return eachApart, false
		}
		parts[i] = strconv.Quote(parts[i])
	}
	return eachApart + ": " + strings.Join(parts, ", "), true
}

// OriginsApart is the hint for several origins or groups in one text.
func OriginsApart(text string) string {
	hint, _ := apart(text, func(part string) string {
		if name, isGroup := strings.CutPrefix(part, "group:"); isGroup && IsName(name) {
			return part
		}
		return MeantPattern(part)
	})
	return hint
}

// SplitList returns the entries of a list that is written as one text. White
// space, commas, semicolons and vertical bars separate them.
func SplitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(separators, r) })
}

// MeantPattern returns text if ParsePattern accepts it. Otherwise it returns
// the pattern that was likely meant, or nothing if there is none.
func MeantPattern(text string) string {
	_, err := ParsePattern(text)
	if bad, ok := errors.AsType[*PatternError](err); ok {
		return bad.Mended
	}
	return text
}

// looseScheme finds a web scheme that is not followed by "://".
var looseScheme = regexp.MustCompile(`^(?i:(https?)(?:[:/]|[.;]/)[:/\\]*)(.+)$`)

// looseApp does the same for the scheme of an app or an extension.
var looseApp = regexp.MustCompile(`^(?i:(app|capacitor|ionic|tauri|(?:chrome|moz|safari-web)-extension):/?)([^/]+)$`)

// withScheme returns the text with a scheme that s, which has none, likely means. It
// returns nothing if s is only a word, or an e-mail address.
func withScheme(s string) string {
	for _, loose := range []*regexp.Regexp{looseScheme, looseApp} {
		if m := loose.FindStringSubmatch(s); m != nil {
			return strings.ToLower(m[1]) + "://" + m[2]
		}
	}
	if strings.Contains(s, "@") {
		return ""
	}
	if ip := bracketed(s); ip != "" {
		s = ip
	}
	s = strings.TrimLeft(s, ":/")
	if end := strings.IndexAny(s, "/?#"); end >= 0 {
		s = s[:end]
	}
	host, port, ok := splitPort(s)
	switch {
	case !ok || strings.Trim(port, "0123456789*[]") != "":
		return "" // another scheme, or a word
	case isLocal(host) && port == "":
		return "http://" + host + ":*"
	case isLocal(host), port == "80":
		return "http://" + s
	case port == "" && !strings.ContainsAny(host, ".["):
		return ""
	}
	return "https://" + s
}

// bracketed returns the IPv6 address s in brackets. It returns nothing if s is
// not one, or may have a port at its end.
func bracketed(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return ""
	}
	last := s[strings.LastIndexByte(s, ':')+1:]
	if _, isPort := parsePort(last); isPort && len(last) > 1 && strings.Count(s, ":") < 7 {
		return ""
	}
	return "[" + string(appendIPv6(nil, a)) + "]"
}

// webScheme returns the scheme that a misspelt http or https stands for: with a
// letter too many, too few or in another place, or masked as in "hxxps". It
// returns every other scheme unchanged.
func webScheme(scheme string) string {
	if isSpecial(scheme) {
		return scheme
	}
	letters := strings.Replace(scheme, "xx", "tt", 1)
	has := func(part string) bool { return strings.Contains(letters, part) }
	switch {
	case strings.Trim(letters, "htps") != "", !has("t"), !has("p"), !has("h") && !has("tt"):
		return scheme
	case has("s"):
		return "https"
	}
	return "http"
}
