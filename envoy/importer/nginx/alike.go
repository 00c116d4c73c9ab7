package nginx

import (
	"regexp"
	"slices"
	"strings"
)

// kinds tell origins apart that a map names. There may be thousands of them, in each location: of
// those that nothing tells apart one is asked for.
type kinds struct {
	every []*mapping
	// exprs are the regexes that something was compared with.
	exprs []string
	// compared are texts that an origin was compared with.
	compared map[string]bool
	// derives says that something is made of a part of an origin, or of an origin and more.
	derives bool
	known   map[string]kind // :: origin
}

// kind is what tells an origin apart, as far as the first n of exprs do.
type kind struct {
	n   int
	key string
}

// groups finds what a group has matched, and a group that gives it a name.
var groups = regexp.MustCompile(`\$\{?[0-9]|\(\?P?<[a-zA-Z_]`)

// see notes what makes something of a part of an origin.
func (k *kinds) see(d *directive) {
	switch d.name {
	case "set", "if", "add_header", "more_set_headers", "map":
		k.derives = k.derives || slices.ContainsFunc(d.args, groups.MatchString)
		for _, e := range d.block {
			k.derives = k.derives || d.name == "map" && groups.MatchString(e.name+" "+e.arg(0))
		}
	}
}

// compare notes what the origin that is asked for is compared with.
func (k *kinds) compare(origin, a, b string) {
	switch origin {
	case "":
	case a:
		k.compared[b] = true
	case b:
		k.compared[a] = true
	}
}

// kindOf returns what tells an origin apart that a map names, or nothing if it may be more than that.
func (c *config) kindOf(seen seenOrigin) string {
	origin := seen.Text.Text
	if c.derives || !seen.fold || origin != strings.ToLower(origin) || c.compared[origin] || c.isSeen[[2]string{origin, "false"}] {
		return ""
	}
	k := c.known[origin]
	if k.key == "" {
		for _, m := range c.every {
			k.key += m.kindOf(origin) + "\x00"
		}
	}
	for ; k.n < len(c.exprs); k.n++ {
		re, err := c.compile(c.exprs[k.n])
		if err == nil && re.MatchString(origin) {
			k.key += "1"
		} else {
			k.key += "0"
		}
	}
	c.known[origin] = k
	return k.key
}

// kindOf is what a map makes of an origin that it names: the origin, or a text.
func (m *mapping) kindOf(origin string) string {
	e := m.texts[origin]
	switch {
	case e == nil:
		return "-"
	case split(e.arg(0)).is(varOrigin), e.arg(0) == origin:
		return "+"
	}
	return "=" + e.arg(0)
}
