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

// Origin is a tuple origin (HTML, section 7.1.1). It is comparable; the zero
// Origin is no origin.
type Origin struct {
	Scheme string
	// Host is a domain, an IPv4 address, or an IPv6 address in brackets.
	Host string
	// Port is 0 for the scheme's default port.
	Port int
}

// ErrOrigin is what every error of ParseOrigin wraps.
var ErrOrigin = errors.New("not a serialized origin")

// ParseOrigin reads one serialized tuple origin as user agents send it in
// Origin: ASCII serialisation, lower case, canonical IP addresses, no default
// port (Fetch, #origin-header; RFC 6454, section 6.2). "null" is
// no tuple origin and an error. The result shares memory with s.
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
	if !ok || !isOriginHost(host) {
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
// trailing dot. "_" is no letter of a host name, but browsers send it.
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
// an IPv4 address or none at all.
func endsInNumber(h string) bool {
	h = strings.TrimSuffix(h, ".")
	last := h[strings.LastIndexByte(h, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

func isIPv4(h string) bool {
	a, err := netip.ParseAddr(h)
	return err == nil && a.Is4()
}

// isIPv6 reports whether h is "[...]" around an address in the form that URL,
// section 3.6 "host serializer" writes. A mapped address (::ffff:1.2.3.4) is
// written in hexadecimal there, which netip does not do; no page has one.
func isIPv6(h string) bool {
	inner := strings.TrimSuffix(h[1:], "]")
	if len(inner) != len(h)-2 || len(inner) > len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") {
		return false
	}
	a, err := netip.ParseAddr(inner)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
		return false
	}
	var buf [64]byte
	return string(a.AppendTo(buf[:0])) == inner
}

func isLower(c byte) bool     { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isLabelByte(c byte) bool { return isLower(c) || isDigit(c) || c == '-' || c == '_' }
