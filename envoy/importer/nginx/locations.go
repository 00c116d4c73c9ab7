package nginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

// location is one location of a server, or the server itself, around all others.
type location struct {
	*directive
	modifier string // "", "=", "^~", "~" or "~*"
	path     string
	regex    *pathRegex // nil if it is none
	scope    *scope
	parent   *location
	within   []*location
	// inner says that only nginx itself leads requests here.
	inner bool
	route source.Route
	key   string // of route.CORS
	// isLocal says that nginx answers each request by itself, with nothing about CORS.
	isLocal bool
	// led is what leadsTo found.
	led map[uri][]*location
}

// modifiers in the order in which one is looked for in front of a path.
var modifiers = []string{"=", "^~", "~*", "~"}

// newLocation reads the location of a directive; "location ~^/x" needs no blank.
func newLocation(parent *location, d *directive) *location {
	l := &location{directive: d, modifier: d.arg(0), path: d.arg(1), parent: parent, scope: &scope{list: d.block, parent: parent.scope}}
	if len(d.args) < 2 {
		l.modifier, l.path = "", d.arg(0)
		for _, m := range modifiers {
			if rest, cut := strings.CutPrefix(l.path, m); cut {
				l.modifier, l.path = m, rest
				break
			}
		}
	}
	if l.isRegex() {
		l.regex = newPathRegex(prove.Regex{Expr: l.path, Mode: prove.Search, Fold: l.modifier == "~*"})
	}
	l.inner = l.isNamed() || parent.inner || len(all(d.block, "internal")) > 0
	return l
}

// nest reads the locations that stand in list, and calls visit for each of them and of those
// within them.
func (l *location) nest(list []*directive, visit func(*location)) {
	for _, d := range all(list, "location") {
		inner := newLocation(l, d)
		if !inner.isNamed() {
			l.within = append(l.within, inner)
		}
		inner.nest(d.block, visit)
		visit(inner)
	}
}

func (l *location) isNamed() bool  { return strings.HasPrefix(l.path, "@") }
func (l *location) isRegex() bool  { return strings.HasPrefix(l.modifier, "~") }
func (l *location) isExact() bool  { return l.modifier == "=" }
func (l *location) isPrefix() bool { return !l.isNamed() && !l.isRegex() && !l.isExact() }

// what names the location in a message.
func (l *location) what() string {
	if l.parent != nil && l.directive == l.parent.directive {
		return "paths that no location is for"
	}
	return "this location"
}

// uri is what the paths of the location's requests have in common.
func (l *location) uri() uri {
	switch {
	case l.isExact():
		return uri{begin: l.path, whole: true}
	case l.isPrefix():
		return uri{begin: l.path, from: l}
	}
	u := uri{begin: "/"}
	if r := l.regex; r.isRead && !r.fold {
		if r.begins && r.begin != "" {
			u.begin = r.begin
		}
		if r.ends {
			u.end = r.end
		}
	}
	return u
}

// reached is a location that may answer. If it is found for good, the regexes around it are not
// asked.
type reached struct {
	*location
	forGood bool
}

// matcher says whether a path of which u is known matches a location's, by itself.
type matcher func(u uri, l *location) certainty

// find returns the locations below l that may answer requests with that path, and l if it may
// be that none does (ngx_http_core_find_location).
func (l *location) find(u uri, is matcher) (found []reached) {
	if u.from != nil && u.end == "" {
		return []reached{{u.from, true}}
	}
	for _, e := range l.within {
		if !e.isExact() {
			continue
		}
		matches := is(u, e)
		if matches != never {
			found = append(found, reached{e, true})
		}
		if matches == surely {
			return found
		}
	}
	for _, p := range l.prefixes(u, is) {
		if p == l {
			found = append(found, l.regexes(u, is, reached{l, false})...)
			continue
		}
		v := u
		if len(p.path) > len(u.begin) {
			v.begin = p.path
		}
		for _, r := range p.find(v, is) {
			if r.forGood || p.modifier == "^~" {
				found = append(found, r)
			} else {
				found = append(found, l.regexes(u, is, r)...)
			}
		}
	}
	return found
}

// prefixes returns the prefixes within l that may be the longest one that matches, or l if none
// has to.
func (l *location) prefixes(u uri, is matcher) (found []*location) {
	best := l
	for _, p := range l.within {
		if !p.isPrefix() {
			continue
		}
		switch is(u, p) {
		case surely:
			if best == l || len(p.path) > len(best.path) {
				best = p
			}
		case maybe:
			found = append(found, p)
		}
	}
	return append(found, best)
}

// regexes returns the regexes within l that may match, and otherwise if none has to.
func (l *location) regexes(u uri, is matcher, otherwise reached) (found []reached) {
	for _, r := range l.within {
		if !r.isRegex() {
			continue
		}
		matches := is(u, r)
		if matches == never {
			continue
		}
		for _, below := range r.find(u, is) {
			found = append(found, reached{below.location, true})
		}
		if matches == surely {
			return found
		}
	}
	return append(found, otherwise)
}

// leadsTo returns the locations that may answer requests with that path, each once.
func (l *location) leadsTo(u uri) []*location {
	found, known := l.led[u]
	if known {
		return found
	}
	for _, r := range l.find(u, uri.isFor) {
		if !slices.Contains(found, r.location) && l.isNear(u, r.location) {
			found = append(found, r.location)
		}
	}
	if l.led == nil {
		l.led = map[uri][]*location{}
	}
	l.led[u] = found
	return found
}

// isNear reports whether the path of a location with something behind it may lead to another
// location: to a regex beside it or around it that asks for more than what the path begins with,
// or to what begins within that something.
func (l *location) isNear(u uri, other *location) bool {
	if u.from == nil || other == u.from {
		return true
	}
	begin := other.path
	if other.isRegex() {
		r := other.regex
		switch {
		case !u.from.isWithin(other.parent), !r.mayEndIn(u.end):
			return false
		case !r.isRead || !r.open || !r.begins || r.fold:
			return true
		}
		begin = r.begin
	}
	for k := 1; k <= len(u.end); k++ {
		path, cut := strings.CutSuffix(begin, u.end[:k])
		if cut && (!u.isFolder || strings.HasSuffix(path, "/")) && l.takes(path) == u.from {
			return true
		}
	}
	return false
}

// isWithin reports whether l is another location or within it.
func (l *location) isWithin(other *location) bool {
	for l != nil && l != other {
		l = l.parent
	}
	return l != nil
}

// takes returns the location that answers a path, if that is known.
func (l *location) takes(path string) *location {
	if found := l.find(uri{begin: path, whole: true}, uri.isFor); len(found) == 1 {
		return found[0].location
	}
	return nil
}
