package differential

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
)

// addOrigin adds an Origin to r: one that the policy allows, one that is nearly
// allowed, the site's own, or any.
func (m *maker) addOrigin(target *policy.Spec, r *cases.Request) {
	origin := "https://evil.example"
	switch list := target.CORS.AllowOrigins; {
	case m.focus == inSite && m.oneIn(6):
		origin = pick(m.gen, ownOddOrigins(r.Host)...)
	case m.focus == inSite || m.oneIn(8) && !m.asks():
		origin = m.ownOrigin(r.Host)
	case target.CORS.AllowOriginRegexes != nil && m.oneIn(2):
		origin = pick(m.gen, "https://r12.example", "https://rx.example", "https://r12.example.evil")
	case len(list) > 0 && (m.asks() || !m.oneIn(3)):
		origin = m.originOf(pick(m.gen, list...))
	case m.oneIn(3):
		origin = m.originOf(pick(m.gen, m.anyOrigins()...))
	}
	if m.focus == inOrigin && m.oneIn(2) || m.oneIn(16) {
		origin = m.oddOrigin(origin)
	}
	r.Headers["origin"] = m.lines(origin)
}

// anyOrigins are those of some policy, and those that are known to be odd.
func (m *maker) anyOrigins() []string {
	return append(m.specs[m.IntN(len(m.specs))].CORS.AllowOrigins, pick(m.gen, exactOrigins...), pick(m.gen, starOrigins...), pick(m.gen, oddOrigins...), "null")
}

// originOf returns an origin that a pattern matches, or seldom nearly matches.
func (m *maker) originOf(text string) string {
	p, err := policy.ParsePattern(text)
	if err != nil {
		return text
	}
	p.Port = m.portOf(p)
	origin := p
	switch p.Form {
	case policy.FormNull:
		return "null"
	case policy.FormAny:
		return pick(m.gen, "https://any.example", "null", "app://x", "file://", "https://1.2.3.4")
	case policy.FormAnyHost:
		origin.Host = m.plainOr("any.example", "a.b", "localhost", "192.0.2.7", "any.example.", "[::1]", "a_b")
	case policy.FormSubdomain:
		origin.Host = m.labels() + m.plainOr(".", "", "x", "-", ".x.") + p.Host
	case policy.FormLabel:
		origin.Host = p.Prefix + m.plainOr("a", "1", "a-b", "-", "--", "a_b", "a.b", "") + p.Suffix + m.plainOr(".", "x", ".b.", "") + p.Host
	}
	origin.Form = policy.FormExact
	return origin.String()
}

func (m *maker) labels() string {
	return m.plainOr("a", "a.b", "a.b.c", "a_b", "-", "1", "a.b.c.d.e", "a.b.c.d", strings.Repeat("l", 40), strings.Repeat("l", 41), strings.Repeat("l", 64), "", "a..b", "a.", ".a")
}

// portOf returns a port that the pattern's port allows.
func (m *maker) portOf(p policy.Pattern) int {
	if p.Port != policy.AnyPort {
		return p.Port
	}
	if !m.atBorder(inOrigin) {
		return pick(m.gen, 0, 3000)
	}
	return pick(m.gen, 8443, 80, 443, 999, 1000, 9999, 10000, 59999, 60000, 65535)
}

// plainOr returns plain, or one of the odd texts if the origin is to be at a border.
func (m *maker) plainOr(plain string, odd ...string) string {
	if m.atBorder(inOrigin) && m.oneIn(2) {
		return pick(m.gen, odd...)
	}
	return plain
}

// ownOrigin is an origin of the site that has the authority, or nearly one.
func (m *maker) ownOrigin(authority string) string {
	host := strings.ToLower(authority[strings.LastIndexByte(authority, '@')+1:])
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") && m.oneIn(2) {
		host = host[:i] + pick(m.gen, "", "", ":8443", ":3000", ":80", ":443")
	}
	if m.oneIn(10) {
		host = pick(m.gen, "x"+host, "s."+host, host+".", strings.TrimSuffix(host, "."), strings.Replace(host, ".", "x", 1))
	}
	return pick(m.gen, "https", "https", "https", "http", "http", "app", "ftp") + "://" + host + pick(m.gen, "", "", "", "", "", "", ":8443", ":80", ":443", ":3000")
}

// ownOddOrigins are those of a site that nobody knows to be its own but who knows the
// ports of their schemes, and cuts a dot.
func ownOddOrigins(host string) []string {
	return []string{"ftp://" + host, "https://" + host + "."}
}

func (m *maker) oddOrigin(origin string) string {
	scheme, rest, _ := strings.Cut(origin, "://")
	host, _, _ := strings.Cut(rest, ":")
	switch m.IntN(20) {
	case 0, 1:
		return m.mutated(origin)
	case 2:
		return origin + pick(m.gen, "/", ".", ":", " ", ",", "#", "?", "\xff", "\u00e9", ".evil", "x", ":8443")
	case 13:
		return scheme + "://" + host + ":" + pick(m.gen, "443", "80", "", "0", "08443", "0844", "00443", "65536", "65535", "99999", "60000", "59999", "999", "1000", "8443", "+844", "8443x")
	case 14:
		return scheme + "://" + pick(m.gen, strings.Repeat("l", 40), strings.Repeat("l", 41), strings.Repeat("l", 63), strings.Repeat("l", 64)) + pick(m.gen, "", "."+host, ".example", ".apps.example")
	case 3:
		return pick(m.gen, " ", "x", "\xff", "https://", ",", "null,") + origin
	case 4:
		return m.anyCase(origin)
	case 5:
		return pick(m.gen, "http", "https", "ftp", "app", "httpss", "h", "HTTPS", "file", "data", "ws") + "://" + rest
	case 6:
		return scheme + "://" + pick(m.gen, "x", "x.", "-", ".", "user@", "a.b.c.d.e.", "a.b.c.d.e.f.", strings.Repeat("l", 63)+".", strings.Repeat("l", 64)+".") + rest
	case 7:
		return scheme + "://" + pick(m.gen, "1.2.3.4", "1.2.3", "127.1", "0x7f.1", "a.0x1f", "a.0xg", "a.1b", "1.a", "[::1]", "[0::1]", "[::1", "[::ffff:1.2.3.4]", "a.1", "1", "a-", "x_", "_")
	case 8:
		return pick(m.gen, "null", "NULL", "nullx", "xnull", "null null", "*", "", "https://", "://", "https:", "undefined", "https://*.apps.example", "https://r12.example", "https://rx.example", "file:///")
	case 9:
		return origin + "," + pick(m.gen, origin, "https://evil.example", "null", "")
	case 10:
		return m.longOrigin(scheme, rest)
	case 11:
		return strings.NewReplacer("k", "\u212a", "s", "\u017f").Replace(origin)
	case 12:
		return pick(m.gen, oddOrigins...)
	default:
		end := max(0, strings.LastIndexByte(origin, '.'))
		return pick(m.gen, strings.Replace(origin, ".", pick(m.gen, "x", "..", "-", "_"), 1), origin[:end]+"x"+origin[min(end+1, len(origin)):])
	}
}

// longOrigin is about as long as an origin may be, or much longer.
func (m *maker) longOrigin(scheme, rest string) string {
	if m.oneIn(4) {
		return scheme + "://" + rest + strings.Repeat("a", 5000)
	}
	host := pick(m.gen, strings.Repeat("a.", m.IntN(8)+118), strings.Repeat(strings.Repeat("l", 39)+".", 6)) + rest
	return fmt.Sprintf("%s://%s%s", pick(m.gen, scheme, strings.Repeat("s", 63+m.IntN(3))), host, pick(m.gen, "", ":8443"))
}
