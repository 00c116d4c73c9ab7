package policy

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// The bounds of a serialized origin: a scheme of at most 64 bytes, "://", a
// host of at most 253 (RFC 1035, section 2.3.4) and the longest port.
const (
	maxSchemeLen = 64
	maxHostLen   = 253
	maxLabelLen  = 63
	maxOriginLen = maxSchemeLen + len("://") + maxHostLen + len(".:65535")
)

// Origin is a tuple origin (HTML, section 7.1.1), or what web views and
// extensions send in its place, such as "app://." and "file://". It is
// comparable; the zero Origin is not an origin.
type Origin struct {
	Scheme string
	// Host is a domain, an IPv4 address, or an IPv6 address in brackets; if the
	// scheme is not special, it may also be an opaque host, which may be empty.
	Host string
	// Port is 0 for the scheme's default port.
	Port int
}

// ErrOrigin is what every error of ParseOrigin wraps.
var ErrOrigin = errors.New("not a serialized origin")

// ParseOrigin reads one serialized origin as user agents send it in Origin:
// ASCII serialisation, lower case, canonical IP addresses, no default port
// (Fetch, #origin-header; RFC 6454, section 6.2). The host of an app's origin
// is kept byte by byte. "null" names no origin and is an error. The result
// shares memory with s.
func ParseOrigin(s string) (Origin, error) {
	o, ok := parseOrigin(s)
	if !ok {
		return Origin{}, ErrOrigin
	}
	return o, nil
}

// String returns the serialisation, which is what was parsed.
func (o Origin) String() string {
	s := o.Scheme + "://" + o.Host
	if o.Port != 0 {
		s += ":" + strconv.Itoa(o.Port)
	}
	return s
}

func parseOrigin(s string) (Origin, bool) {
	if len(s) > maxOriginLen {
		return Origin{}, false
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found || !isScheme(scheme) {
		return Origin{}, false
	}
	host, port, ok := splitPort(rest)
	if !ok || !isHostOf(scheme, host) {
		return Origin{}, false
	}
	n, ok := parsePort(port)
	if !ok || n != 0 && n == defaultPort(scheme) {
		return Origin{}, false
	}
	return Origin{Scheme: scheme, Host: host, Port: n}, true
}

// splitPort cuts host[:port]; port is empty when there is no colon.
func splitPort(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		host, s = s[:end+1], s[end+1:]
		if s == "" {
			return host, "", true
		}
		return host, s[1:], s[0] == ':' && s != ":"
	}
	host, port, found := strings.Cut(s, ":")
	return host, port, !found || port != ""
}

// parsePort reads a port without leading zeros; the empty string is 0.
func parsePort(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	if s[0] == '0' || len(s) > len("65535") {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, n <= 65535
}

// defaultPort returns the default port of a special scheme (URL, section 4.2
// "special scheme"), else 0.
func defaultPort(scheme string) int {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	case "ftp":
		return 21
	}
	return 0
}

// isScheme reports whether s is a lower-case URL scheme (RFC 3986, section 3.1).
func isScheme(s string) bool {
	if s == "" || len(s) > maxSchemeLen || !isLower(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isSpecial reports whether a browser knows what the hosts of the scheme are
// (URL, #is-special). File URLs are special too, but their origins, if they are
// sent at all, are sent as those of apps are.
func isSpecial(scheme string) bool { return defaultPort(scheme) != 0 }

// isHostOf reports whether the origins of a scheme may have the host h.
func isHostOf(scheme, h string) bool {
	if isSpecial(scheme) || strings.HasPrefix(h, "[") {
		return isOriginHost(h)
	}
	return isOpaqueHost(h)
}

// notOpaque are the visible characters that no opaque host has (URL,
// #forbidden-host-code-point), and those that tell of a list, of quotes, of a
// template or of a regex.
const notOpaque = "#/:<>?@[\\]^|" + "\"'`" + "$(){}*,;"

// isOpaqueHost reports whether h is a host as it is serialised if the scheme
// is not special (URL, #concept-opaque-host-parser): nothing in it is
// interpreted, and letters keep their case.
func isOpaqueHost(h string) bool {
	for i := range len(h) {
		if h[i] <= ' ' || h[i] >= 0x7f || strings.IndexByte(notOpaque, h[i]) >= 0 {
			return false
		}
	}
	return len(h) <= maxHostLen+len(".")
}

// Anybodys reports whether o says nothing about who wrote the page, like
// "null". Then neither a regex nor "*" with credentials allows it.
func (o Origin) Anybodys() bool { return isAnybodys(o.Scheme) }

// isAnybodys reports whether anybody who can give the user a file, a text or a link
// can write pages of the scheme. The origin of such a page proves as little as "null".
func isAnybodys(scheme string) bool { return writers[scheme] != "" }

// writers says who writes the pages of a scheme, if anybody can.
var writers = map[string]string{
	"about":        "every site can open pages of this scheme",
	"applewebdata": "every text that an app shows as a page sends such an origin, a mail for example",
	"blob":         "every site can open pages of this scheme",
	"content":      "every file that one app hands to another sends such an origin, whoever wrote it",
	"data":         "every site can open pages of this scheme",
	"file":         "every file on the user's disk sends this origin, whoever wrote it",
	"filesystem":   "every site can open pages of this scheme",
	"javascript":   "every site can open pages of this scheme",
}

// isOriginHost reports whether h is a host as a URL serialises it.
func isOriginHost(h string) bool {
	if strings.HasPrefix(h, "[") {
		return isIPv6(h)
	}
	if !isDomain(h) {
		return false
	}
	if endsInNumber(h) {
		return isIPv4(h)
	}
	return true
}

// isDomain reports whether h is labels of [a-z0-9_-], with at most one
// trailing dot. "_" is not a letter of a host name, but browsers send it.
func isDomain(h string) bool {
	h = strings.TrimSuffix(h, ".")
	if h == "" || len(h) > maxHostLen {
		return false
	}
	label := 0
	for i := range len(h) {
		if h[i] == '.' {
			if label == 0 {
				return false
			}
			label = 0
			continue
		}
		label++
		if !isLabelByte(h[i]) || label > maxLabelLen {
			return false
		}
	}
	return label > 0
}

// endsInNumber is URL, section 3.5 "ends in a number checker": such a host is
// an IPv4 address, or is not a host.
func endsInNumber(h string) bool {
	h = strings.TrimSuffix(h, ".")
	last := h[strings.LastIndexByte(h, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return isEvery(hex, isHexDigit)
	}
	return isEvery(last, isDigit)
}

// isEvery reports whether every byte of s is of that kind.
func isEvery(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isIPv4(h string) bool {
	a, err := netip.ParseAddr(h)
	return err == nil && a.Is4()
}

// isIPv6 reports whether h is "[...]" around an address as URL, section 3.6
// "host serializer" writes it.
func isIPv6(h string) bool {
	inner := strings.TrimSuffix(h[1:], "]")
	if len(inner) != len(h)-2 || len(inner) > len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") {
		return false
	}
	a, err := netip.ParseAddr(inner)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return false
	}
	var buf [64]byte
	return string(appendIPv6(buf[:0], a)) == inner
}

// appendIPv6 appends the serialisation of a. That of a mapped address is
// "::ffff:102:304" in URLs, which netip writes as "::ffff:1.2.3.4".
func appendIPv6(b []byte, a netip.Addr) []byte {
	if !a.Is4In6() {
		return a.AppendTo(b)
	}
	ip := a.As16()
	b = strconv.AppendUint(append(b, "::ffff:"...), uint64(ip[12])<<8|uint64(ip[13]), 16)
	return strconv.AppendUint(append(b, ':'), uint64(ip[14])<<8|uint64(ip[15]), 16)
}

func isLower(c byte) bool     { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isHexDigit(c byte) bool  { return isDigit(c) || 'a' <= c && c <= 'f' }
func isStarByte(c byte) bool  { return isLower(c) || isDigit(c) || c == '-' }
func isLabelByte(c byte) bool { return isStarByte(c) || c == '_' }
