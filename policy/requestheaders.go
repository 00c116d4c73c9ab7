package policy

import (
	"slices"
	"strings"
)

// The bounds of Access-Control-Request-Headers: beyond them nothing is read.
const (
	maxRequestHeadersLen = 4 << 10
	maxRequestHeaders    = 128
)

// checkHeaders tells whether all names of Access-Control-Request-Headers are
// allowed, and returns them normalised if the answer lists them. Browsers
// send them in lower case, sorted and unique (Fetch, #cors-preflight-fetch, step 5), but
// intermediaries and other clients do not, so that order, case, white space,
// repeats and empty elements (RFC 9110, section 5.6.1.2) do not matter.
func (p *compiled) checkHeaders(value string) (granted string, reason Reason) {
	if len(value) > maxRequestHeadersLen {
		return "", ReasonPreflightMalformed
	}
	scan := nameScanner{rest: value, normal: true}
	denied, skipped := false, false
	for scan.next() {
		if !IsToken(scan.name) || scan.count > maxRequestHeaders {
			return "", ReasonPreflightMalformed
		}
		switch name := scan.lower(); {
		case p.headers.has(name):
		case p.skipsHeader(name):
			skipped = true
		default:
			denied = denied || !p.headers.star || !StarCoversHeader(name, p.creds)
		}
	}
	if denied {
		return "", ReasonPreflightHeaderDenied
	}
	if !p.echoesHeaders() {
		return "", ReasonPreflightAllowed
	}
	if scan.normal && !skipped {
		return value, ReasonPreflightAllowed
	}
	return p.grantedNames(value), ReasonPreflightAllowed
}

// StarCoversHeader reports whether "*" in allowHeaders covers name, in lower
// case, of a header that a page can set: Authorization only with credentials:
// then the answer lists names in place of "*".
func StarCoversHeader(name string, credentials bool) bool {
	switch name {
	case "authorization":
		// Fetch, #cors-non-wildcard-request-header-name.
		return credentials
	case "*":
		// Echoed, it would be a wildcard for requests without credentials.
		return !credentials
	}
	return true
}

// skipsHeader tells whether name, in lower case, neither denies nor is granted:
// no page can set the header (Fetch, #forbidden-request-header), but old
// browsers list names such as "origin". What the policy lists it grants.
func (p *compiled) skipsHeader(name string) bool {
	return IsForbiddenRequestHeader(name) && !p.headers.has(name)
}

// nameScanner walks the elements of a comma-separated list.
type nameScanner struct {
	rest  string
	name  string // the element, without white space around it; never empty
	upper bool   // whether name has an upper-case letter
	count int    // of names so far
	// normal tells that all so far is as a browser writes it: lower case,
	// strictly ascending, without white space and empty elements.
	normal bool
}

func (s *nameScanner) next() bool {
	for s.rest != "" {
		element, rest, comma := strings.Cut(s.rest, ",")
		s.rest = rest
		name := trimSpace(element)
		if name == "" || len(name) != len(element) || comma && rest == "" {
			s.normal = false
		}
		if name == "" {
			continue
		}
		s.count++
		s.upper = hasUpper(name)
		s.normal = s.normal && s.name < name && !s.upper
		s.name = name
		return true
	}
	return false
}

// lower returns the name in lower case.
func (s *nameScanner) lower() string {
	if s.upper {
		return strings.ToLower(s.name)
	}
	return s.name
}

// trimSpace removes OWS (RFC 9110, section 5.6.3) from both ends.
func trimSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// grantedNames writes the names in lower case, each once, but for those that
// are skipped.
func (p *compiled) grantedNames(value string) string {
	var names []string
	for scan := (nameScanner{rest: value}); scan.next(); {
		if name := scan.lower(); !p.skipsHeader(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}
