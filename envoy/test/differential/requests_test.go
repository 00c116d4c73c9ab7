package differential

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/respond"
)

// maker makes up requests to the hosts of a world.
type maker struct {
	gen
	*world
	ports []uint16
	// named are hosts for which Envoy names the policy.
	named []string
	// aims are what the focus is chosen from.
	aims []part
	// focus is the part of a request that is surely at the border of a rule; the
	// other parts seldom are, so that they do not hide it.
	focus part
}

// part is a part of a request.
type part int

const (
	nowhere part = iota
	inHost
	inPath
	inOrigin
	inMethod
	inSite
	inAskedMethod
	inAskedHeaders
)

// aims are the parts, the more often the more rules are about them. Where paths come as
// they are written, they are most of it.
func aims(asWritten bool) []part {
	if asWritten {
		return []part{nowhere, inPath, inPath, inPath, inPath}
	}
	return []part{nowhere, inHost, inPath, inPath, inOrigin, inOrigin, inMethod, inSite, inAskedMethod, inAskedHeaders, inAskedHeaders, inAskedHeaders}
}

func (m *maker) atBorder(p part) bool { return m.focus == p || m.oneIn(16) }

// asks tells that the request is a preflight whose origin is to be allowed.
func (m *maker) asks() bool { return m.focus >= inAskedMethod }

// request makes up a request that a policy of the world may be about.
func (m *maker) request(overHTTP2 bool) cases.Request {
	m.focus = pick(m.gen, m.aims...)
	target := m.target()
	r := cases.Request{Method: m.method(), Host: m.host(target), Path: m.path(target), Headers: respond.Headers{}}
	if m.asks() || !m.oneIn(8) && (m.focus != inPath || !m.oneIn(4)) {
		m.addOrigin(target, &r)
	}
	if strings.EqualFold(r.Method, "OPTIONS") && !m.oneIn(12) || m.oneIn(25) {
		m.addAsked(target, r.Headers)
	}
	if m.oneIn(2) || m.focus == inSite && m.oneIn(3) {
		r.Headers["sec-fetch-site"] = m.lines(pick(m.gen, "same-origin", "none", "cross-site", "same-site", "", "Same-Origin", "none ", "same-originx", "non"))
	}
	if m.oneIn(12) || m.focus == inMethod && m.oneIn(2) {
		m.addUpgrade(&r, overHTTP2)
	}
	return r
}

// target is the policy that a request is aimed at: one that its focus is about.
func (m *maker) target() *policy.Spec {
	for {
		p := &m.specs[m.IntN(len(m.specs))]
		if m.oneIn(8) {
			p = m.byName[pick(m.gen, enlarged, widened)]
		}
		if m.focus != inPath || p.Paths != nil || m.oneIn(8) {
			return p
		}
	}
}

// lines are those of a header: one, or seldom two. Envoy itself drops an empty one of
// several.
func (g gen) lines(value string) []string {
	if value != "" && g.oneIn(40) {
		return []string{value, pick(g, value, "x")}
	}
	return []string{value}
}

func (m *maker) method() string {
	if m.asks() {
		return "OPTIONS"
	}
	if m.atBorder(inMethod) {
		return pick(m.gen, "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "REPORT", "get", "options", "Head", "GETX", "XGET", "TRACE", "HEADX", "OPTIONSX")
	}
	return pick(m.gen, "OPTIONS", "OPTIONS", "OPTIONS", "OPTIONS", "GET", "GET", "POST", "HEAD", "DELETE")
}

// addUpgrade makes r a handshake.
func (m *maker) addUpgrade(r *cases.Request, overHTTP2 bool) {
	word := pick(m.gen, "websocket", "websocket", "WebSocket", "WEBSOCKET", "other")
	if overHTTP2 {
		r.Method, r.Protocol = "CONNECT", word
		return
	}
	r.Headers["connection"], r.Headers["upgrade"] = []string{"Upgrade"}, []string{word}
}

// host returns an authority of the policy, or one that is nearly one.
func (m *maker) host(target *policy.Spec) string {
	if len(m.named) > 0 && m.oneIn(20) {
		return pick(m.gen, m.named...)
	}
	host := m.hostOf(target)
	if !m.atBorder(inHost) {
		if len(m.ports) > 0 && m.oneIn(3) {
			host += fmt.Sprintf(":%d", pick(m.gen, m.ports...))
		}
		return host
	}
	host = m.oddHost(host)
	if m.oneIn(3) {
		host += ":" + pick(m.gen, "8443", "80", "443", "3000", "0", "08443", "84430", "", "x", "65536")
	}
	return host
}

// hostOf returns a host of the policy, without a port.
func (m *maker) hostOf(target *policy.Spec) string {
	host := "unmanaged.test"
	if len(target.Hosts) > 0 {
		host = pick(m.gen, target.Hosts...)
	}
	if parent, ok := strings.CutPrefix(host, "*."); ok {
		return pick(m.gen, "s", "s", "a.s", "kiosk", "a_b", "x--y", "h1") + "." + parent
	}
	return host
}

func (m *maker) oddHost(host string) string {
	name, parent, _ := strings.Cut(host, ".")
	switch m.IntN(12) {
	case 11:
		return host // with a port that is odd
	case 0:
		return m.anyCase(host)
	case 1:
		return host + "."
	case 2:
		return pick(m.gen, "user@", "user:pw@", "@", "a@b@") + host
	case 3:
		return strings.ToUpper(host) + pick(m.gen, "", ".", "..")
	case 4:
		return pick(m.gen, strings.Repeat("l", 40), strings.Repeat("l", 41), strings.Repeat("l", 64), "a.b.c.d.e", "a.b.c.d", "a.b.c", "-", "", ".", "a..b",
			strings.Repeat("a.", 125), strings.Repeat(strings.Repeat("l", 40)+".", 6)+"l") + "." + host
	case 5:
		return pick(m.gen, "", "", ".", "..", "x") + cmp.Or(parent, host)
	case 6:
		return "x" + host
	case 7:
		return host + pick(m.gen, ".evil", "x", ".test", "-")
	case 8:
		end := strings.LastIndexByte(host, '.')
		return pick(m.gen, strings.ReplaceAll(host, ".", "x"), host[:max(end, 0)]+"x"+host[end+1:])
	case 9:
		return name + "." + host
	default:
		return m.mutated(host)
	}
}

// path returns a path that the policy covers, or that it nearly covers.
func (m *maker) path(target *policy.Spec) string {
	base := "/"
	if list := m.specs[m.IntN(len(m.specs))].Paths; len(list) > 0 && m.oneIn(3) {
		base = pick(m.gen, list...)
	}
	if len(target.Paths) > 0 && !m.oneIn(4) {
		base = pick(m.gen, target.Paths...)
	}
	if m.atBorder(inPath) {
		return "/" + strings.TrimPrefix(m.oddPath(base), "/") // no path begins otherwise
	}
	if base == "/" {
		base = pick(m.gen, "/0", "/x")
	}
	return base + pick(m.gen, "", "", "", "/", "/x", "/x/y.z", "?q=1", "/x?q=/../%2e", "0", "/admin", "/.hidden", "/...")
}

func (m *maker) oddPath(base string) string {
	other := pick(m.gen, plainPaths...)
	switch m.IntN(11) {
	case 10:
		_, others, _ := policy.ReadPath(base)
		return pick(m.gen, append(others, strings.ToLower(base))...) + pick(m.gen, "", "/x")
	case 0, 1:
		return base + m.divider() + pick(m.gen, "", "x", "/x", other)
	case 2, 3:
		return m.withEscape(base) + pick(m.gen, "", "/x")
	case 4:
		return pick(m.gen, "/x/..", "/x/../..", "/.", "/x/%2e%2e", "/%2E", "/x%2f..", "/x%2F%2e%2E", "/", "/x/.%2e", "/..;", "/%2f", "/x\\..") + base
	case 5:
		return base + pick(m.gen, "/..", "/.", "/x/..", "/%2e%2e", "%2f..", "/.;x", "/...", "/..x", "/x..", "/....", "/...x./.y", "\\..", "") + other
	case 6:
		return base + "/x" + m.oddBytes() + pick(m.gen, "", "y", "/y", "?q")
	case 7:
		return m.mutated(base)
	case 8:
		return base + pick(m.gen, "%", "%2", "%zz", "%%32e", "%252e%252e/", "%25", "%2525", "/%", "%g0", "%0g")
	default:
		return pick(m.gen, strings.ReplaceAll(base, ".", "x"), strings.ToUpper(base), base+m.oddBytes())
	}
}

// divider is what ends a path, a segment or what of it counts, for those who decode it.
func (m *maker) divider() string {
	return pick(m.gen, "%3b", "%3B", ";", "%3f", "%3F", "?", "%23", "#", "%2f", "%2F", "%5c", "%5C", "\\", "//", "/./", "/;", "?a=/../", "%253b")
}

// oddBytes are one or two bytes, each as it is or as an escape.
func (m *maker) oddBytes() string {
	text := ""
	for range 1 + m.IntN(2) {
		b := m.IntN(256)
		switch m.IntN(4) {
		case 0:
			text += fmt.Sprintf("%%%02x", b)
		case 1:
			text += string([]byte{byte(m.IntN(0x5e) + 0x21)}) // what HTTP/1 has in a path
		default:
			text += fmt.Sprintf("%%%02X", b)
		}
	}
	return text
}

// withEscape writes one byte of path as an escape, a reserved one if it has some.
func (m *maker) withEscape(path string) string {
	i := strings.IndexAny(path, reserved)
	if i < 0 || m.oneIn(3) {
		i = m.IntN(len(path))
	}
	return path[:i] + fmt.Sprintf(pick(m.gen, "%%%02x", "%%%02X"), path[i]) + path[i+1:]
}

// addAsked adds what preflights ask for.
func (m *maker) addAsked(target *policy.Spec, h respond.Headers) {
	h["access-control-request-method"] = m.lines(m.askedMethod(target))
	if !m.oneIn(4) || m.focus == inAskedHeaders {
		h["access-control-request-headers"] = m.askedHeaders(target)
	}
	if m.oneIn(4) {
		h["access-control-request-private-network"] = m.lines(pick(m.gen, "true", "true", "true", "false", "TRUE", "", "true ", "truex"))
	}
}

func (m *maker) askedMethod(target *policy.Spec) string {
	method := pick(m.gen, append([]string{"GET", "POST"}, target.CORS.AllowMethods...)...)
	if m.focus != inAskedHeaders && m.oneIn(3) {
		method = pick(m.gen, "PUT", "DELETE")
	}
	if !m.atBorder(inAskedMethod) {
		return method
	}
	return pick(m.gen, m.anyCase(method), m.mutated(method), method+",GET", "HEAD", "head", "TRACE", "track", "Connect", "TRAC\u212a", "TRACEX", "*", "", "P T", "M!#$%&'^_`|~", "(", "\xff", "KI\u017fS")
}

// askedHeaders is a list of header names, mostly as a browser writes it: in lower
// case, sorted, each once (Fetch, #cors-preflight-fetch, step 5).
func (m *maker) askedHeaders(target *policy.Spec) []string {
	names := slices.DeleteFunc(m.some(4, slices.Concat(target.CORS.AllowHeaders, target.CORS.AllowHeaders, m.some(2, headerNames...))...),
		func(name string) bool { return name == "*" })
	slices.Sort(names)
	names = slices.Compact(names)
	if !m.atBorder(inAskedHeaders) {
		return m.lines(strings.Join(names, ","))
	}
	value := strings.Join(m.oddNames(names), pick(m.gen, ",", ",", ", ", ", ", " ,", "\t,", ",\t", ",,", ", ,"))
	switch m.IntN(12) {
	case 0:
		return []string{value + "x", strings.Join(append(names, "x-b"), ",")}
	case 1:
		value += pick(m.gen, ",", " ", "\t", ", ")
	case 2:
		value = pick(m.gen, ",", " ", "\t", ", ") + value
	case 3:
		value = m.longList(value)
	case 4:
		value = pick(m.gen, "", ",", " , ", ",,,", "\t")
	}
	return []string{value}
}

// oddNames changes one of the names, or adds one.
func (m *maker) oddNames(names []string) []string {
	odd := pick(m.gen, "cookie", "Cookie", "sec-", "Sec-Fetch-Mode", "SEC-X", "sec", "secx-a", "proxy-", "Proxy-X", "proxy", "proxyx-a", "dnt", "Set-Cookie",
		"accept-charset", "access-control-request-private-network", "access-control-request-methods", "*", "x-unknown", "Authorization", "authorization",
		"x a", "x-a;b", "(", "x-a\xff", "x-\u212aey", "x-\u017fi\u017f", "coo\u212aie", "\u017fec-x", "x-a:", "\"x\"", "referer", "x-a", "X-A", "accept", "range")
	if m.oneIn(8) {
		odd = "authorization"
	}
	if len(names) == 0 || m.oneIn(3) {
		names = append(names, odd)
		if m.oneIn(2) {
			slices.Sort(names)
		}
		return names
	}
	i := m.IntN(len(names))
	switch m.IntN(6) {
	case 5:
		return []string{pick(m.gen, m.anyCase(names[i]), strings.ToUpper(names[i]), odd)}
	case 0:
		names[i] = odd
	case 1:
		names[i] = m.mutated(names[i])
	case 2:
		names[i] = m.anyCase(names[i])
	case 3:
		names = append(names, names[i])
	case 4:
		slices.Reverse(names)
	}
	return names
}

// longList makes a list about as long as a bound on it: 255 bytes, 128 names, 4 KiB.
func (m *maker) longList(value string) string {
	switch m.IntN(5) {
	case 3:
		return strings.Repeat("a,", 126+m.IntN(3)) + "a"
	case 0:
		return value + strings.Repeat(pick(m.gen, ",", " ", "a"), max(0, 254+m.IntN(4)-len(value)))
	case 1:
		return strings.Repeat("x-a,", 126+m.IntN(4)) + value
	case 2:
		return strings.Repeat(pick(m.gen, "a", ","), 4095+m.IntN(3))
	default:
		return value + strings.Repeat(",x-b", 60+m.IntN(5))
	}
}
