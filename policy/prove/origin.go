package prove

import "strings"

// origins is the machine of all texts that policy.ParseOrigin reads, were it not for the
// bounds of their lengths.
type origins struct {
	places []place
	ids    map[place]int32
	kinds  *classes
	next   [][]int32
}

// part is what is being read of an origin.
type part uint8

const (
	inScheme part = iota
	inColon       // ":"
	inSlash       // ":/"
	inStart       // "://": the host begins
	inDomain
	inOpaque // a host of an app
	inIPv6
	inBracket // "]" of an IPv6 address
	inPort
)

// place is how far an origin was read.
type place struct {
	part   part
	scheme string // its text as far as it may be a special one, else appScheme
	domain domain
	ipv6   ipv6
	port   port
}

// appScheme stands for every scheme that is not special.
const appScheme = "-"

// specials are the special schemes, with their default ports (URL, section 4.2 "special scheme").
var specials = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}

// apart are bytes that origins tell from others.
var apart = []string{
	"h", "t", "p", "s", "w", "f", // schemes
	"0", "1", "2", "3", "4", "5", "6", "8", "789", "x", "abcdef", // numbers
	".", "-", "_", "+", ":", "/", "[", "]",
	lowers, lowers + digits + opaques,
}

const (
	lowers  = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
	hexes   = digits + "abcdef"
	labels  = lowers + digits + "-_"
	opaques = labels + ".ABCDEFGHIJKLMNOPQRSTUVWXYZ!%&+=~"
)

func newOrigins() *origins {
	o := &origins{ids: map[place]int32{}, kinds: oneClass()}
	for _, bytes := range apart {
		o.kinds.split(func(c byte) bool { return in(bytes, c) })
	}
	o.enter(place{})
	return o
}

func in(bytes string, c byte) bool { return strings.IndexByte(bytes, c) >= 0 }

func (o *origins) alike() *classes { return o.kinds }

func (o *origins) enter(p place) int32 {
	id, known := o.ids[p]
	if known {
		return id
	}
	id = int32(len(o.places))
	next := make([]int32, o.kinds.n)
	for i := range next {
		next[i] = unknown
	}
	o.ids[p], o.places, o.next = id, append(o.places, p), append(o.next, next)
	return id
}

func (o *origins) step(state int32, c byte) int32 {
	class := o.kinds.of[c]
	if next := o.next[state][class]; next != unknown {
		return next
	}
	next := int32(dead)
	if p, ok := o.places[state].read(c); ok {
		next = o.enter(p)
	}
	o.next[state][class] = next
	return next
}

func (o *origins) part(state int32) part { return o.places[state].part }

func (o *origins) accepts(state int32) bool { return o.places[state].ends() }

func (p place) isApp() bool { return p.scheme == appScheme }

// read returns the place behind c, if an origin may go on with c.
func (p place) read(c byte) (place, bool) {
	switch p.part {
	case inScheme:
		return p.readScheme(c)
	case inColon, inSlash:
		p.part++
		return p, c == '/'
	case inStart:
		return p.readStart(c)
	case inDomain:
		return p.readDomain(c)
	case inOpaque:
		return p.readOpaque(c)
	case inIPv6:
		return p.readIPv6(c)
	case inBracket:
		return p.startPort(c)
	}
	return p.readPort(c)
}

func (p place) readScheme(c byte) (place, bool) {
	switch first := p.scheme == ""; {
	case c == ':' && !first:
		if specials[p.scheme] == "" {
			p.scheme = appScheme
		}
		p.part = inColon
		return p, true
	case in(lowers, c), !first && in(digits+"+-.", c):
		p.scheme = schemeAfter(p.scheme + string(c))
		return p, true
	}
	return p, false
}

// schemeAfter returns text if it may become a special scheme.
func schemeAfter(text string) string {
	for scheme := range specials {
		if strings.HasPrefix(scheme, text) {
			return text
		}
	}
	return appScheme
}

func (p place) readStart(c byte) (place, bool) {
	switch {
	case c == '[':
		p.part, p.ipv6 = inIPv6, ipv6{need: 2}
		return p, true
	case p.isApp():
		return p.readOpaque(c)
	}
	return p.readDomain(c)
}

func (p place) readOpaque(c byte) (place, bool) {
	if c == ':' {
		return p.startPort(c)
	}
	p.part = inOpaque
	return p, in(opaques, c)
}

func (p place) readDomain(c byte) (place, bool) {
	if c == ':' {
		if p.part == inStart || !p.domain.ends() {
			return p, false
		}
		return p.startPort(c)
	}
	p.part = inDomain
	next, ok := p.domain.read(c)
	p.domain = next
	return p, ok
}

func (p place) readIPv6(c byte) (place, bool) {
	if c == ']' {
		ok := p.ipv6.ends()
		p.part, p.ipv6 = inBracket, ipv6{}
		return p, ok
	}
	next, ok := p.ipv6.read(c)
	p.ipv6 = next
	return p, ok
}

// startPort leaves the host: what it was does not matter any more.
func (p place) startPort(c byte) (place, bool) {
	return place{part: inPort, scheme: p.scheme}, c == ':'
}

func (p place) readPort(c byte) (place, bool) {
	next, ok := p.port.read(c, specials[p.scheme])
	p.port = next
	return p, ok
}

// ends reports whether the text may end here.
func (p place) ends() bool {
	switch p.part {
	case inStart:
		return p.isApp()
	case inDomain:
		return p.domain.ends()
	case inOpaque, inBracket:
		return true
	case inPort:
		return p.port.ends(specials[p.scheme])
	}
	return false
}

// label is the kind of a label of a domain: whether it is a number, and a byte of
// an IPv4 address (URL, section 3.5 "ends in a number checker").
type label uint8

const (
	noLabel label = iota
	zero          // "0"
	one           // "1"
	two           // "2"
	digit         // 3 to 9
	tens          // 10 to 24: any digit may follow
	upper         // "25"
	full          // a byte that no digit may follow
	number        // a number that is not a byte
	hexadecimal
	name
)

func (l label) isByte() bool   { return zero <= l && l <= full }
func (l label) isNumber() bool { return zero <= l && l <= hexadecimal }

func (l label) read(c byte) label {
	switch {
	case l == name:
	case l == zero && c == 'x', l == hexadecimal && in(hexes, c):
		return hexadecimal
	case l != hexadecimal && in(digits, c):
		return l.readDigit(c)
	}
	return name
}

func (l label) readDigit(c byte) label {
	switch {
	case l == noLabel:
		return min(zero+label(c-'0'), digit)
	case l == one, l == two && c < '5':
		return tens
	case l == two && c == '5':
		return upper
	case l == two, l == digit, l == tens, l == upper && c < '6':
		return full
	}
	return number
}

// domain is the host of a URL so far.
type domain struct {
	label   label
	last    label // the one before, behind whose dot nothing was read
	octets  int8  // labels before that are bytes
	isNamed bool  // a label before is not a byte, or there are more than four
}

func (d domain) read(c byte) (domain, bool) {
	if c != '.' {
		return domain{label: d.label.read(c), octets: d.octets, isNamed: d.isNamed}, in(labels, c)
	}
	next := domain{last: name, isNamed: true}
	if d.label.isNumber() {
		next.last = number
	}
	if !d.isNamed && d.label.isByte() && d.octets < 3 {
		next.octets, next.isNamed = d.octets+1, false
	}
	return next, d.label != noLabel
}

func (d domain) ends() bool {
	switch {
	case d.label == noLabel:
		return d.last == name
	case d.label.isNumber():
		return d.label.isByte() && d.octets == 3 && !d.isNamed
	}
	return true
}

// port is a port so far. It has no leading zero, is not the default one, and
// is at most maxPort.
type port struct {
	digits int8 // digits
	isOver bool // beyond the first digits of maxPort
	isLess bool // below them
	isSame bool // the first digits of the default port
}

const maxPort = "65535"

func (p port) read(c byte, standard string) (port, bool) {
	n := int(p.digits)
	if !in(digits, c) || n == 0 && c == '0' || n == len(maxPort) {
		return p, false
	}
	if !p.isOver && !p.isLess {
		p.isOver, p.isLess = c > maxPort[n], c < maxPort[n]
	}
	p.isSame = (n == 0 || p.isSame) && n < len(standard) && standard[n] == c
	p.digits++
	return p, n+1 < len(maxPort) || !p.isOver
}

func (p port) ends(standard string) bool {
	return p.digits > 0 && !(p.isSame && int(p.digits) == len(standard))
}

// ipv6 is an address between brackets so far, as URL, section 3.6 "host serializer"
// writes it: "::" stands for the first of the longest runs of zeros.
type ipv6 struct {
	groups     int8 // read to their ends
	run        int8 // zeros among them at the end
	need       int8 // zeros that "::" has to stand for
	digits     int8 // of the group that is being read
	isZero     bool // it is "0"
	colon      bool // one ":" was read last
	isSqueezed bool // "::" was read
	isFresh    bool // "::" was read last
}

func (a ipv6) read(c byte) (ipv6, bool) {
	switch {
	case c == ':' && a.digits > 0:
		a, ok := a.endGroup()
		a.colon = true
		return a, ok
	case c == ':' && a.colon:
		ok := !a.isSqueezed && a.run == 0 && 8-a.groups >= a.need
		a.colon, a.isSqueezed, a.isFresh = false, true, true
		return a, ok
	case c == ':':
		ok := !a.isSqueezed
		a.colon = true
		return a, ok
	case a.digits == 0:
		return a.startGroup(c)
	}
	a.digits++
	return a, in(hexes, c) && !a.isZero && a.digits <= 4
}

func (a ipv6) startGroup(c byte) (ipv6, bool) {
	ok := in(hexes, c) && !(a.colon && a.groups == 0 && !a.isSqueezed) && !(a.isFresh && c == '0')
	a.digits, a.isZero, a.colon, a.isFresh = 1, c == '0', false, false
	return a, ok
}

// endGroup counts the group that was read. A run before "::" is shorter than the
// one that "::" stands for; one behind it may be as long.
func (a ipv6) endGroup() (ipv6, bool) {
	a.groups++
	a.run++
	if !a.isZero {
		a.run = 0
	}
	if a.need = max(a.need, a.run); !a.isSqueezed && a.run > 0 {
		a.need = max(a.need, a.run+1)
	}
	a.digits, a.isZero = 0, false
	if a.isSqueezed {
		return a, 8-a.groups >= a.need
	}
	return a, a.groups <= 8
}

func (a ipv6) ends() bool {
	ok := a.isFresh
	if a.digits > 0 {
		a, ok = a.endGroup()
	}
	return ok && (a.isSqueezed || a.groups == 8 && a.need == 2)
}
