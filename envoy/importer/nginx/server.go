package nginx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// server is one server block, and what its locations do about CORS.
type server struct {
	*directive
	hosts     []string // as policies have them; none: every host
	names     []string // the same, with "" for every host; as they are written until they are shared
	told      []source.Finding
	locations []*location // that requests may come to
	addresses []string    // that it listens on
}

// server reads one server block. If policies can have none of its hosts, it returns nil.
func (r *reader) server(outer *scope, d *directive, l listening) *server {
	s := &server{directive: d, addresses: addressesOf(d)}
	s.names, s.told = l.hostsOf(d)
	if len(s.names) == 0 {
		r.findings.list = append(r.findings.list, s.told...)
		walk(d.block, func(d *directive) { r.conf.sent[d] = true }) // it is told already
		return nil
	}
	root := r.locations(outer, s)
	for _, l := range s.locations {
		r.conf.seen, r.conf.isSeen = nil, map[[2]string]bool{}
		told := findings{}
		asked := site{conf: r.conf, server: root, location: l, findings: &told}
		l.route = source.Route{Place: l.Place, Name: l.name(s.names)}
		if !l.isPrefix() || l.path != "/" {
			l.route.Paths = []source.Path{l.routePath()}
		}
		l.route.CORS = asked.cors()
		l.key = corsKey(l.route.CORS)
		l.route.Findings = told.list
		l.isLocal = asked.isLocal
	}
	return s
}

// locations collects the locations of a server, and returns the one around all. Paths that
// none is for come to one for "/" that is not written.
func (r *reader) locations(outer *scope, s *server) (root *location) {
	root = &location{directive: s.directive, scope: &scope{list: s.block, parent: outer}}
	r.conf.named = map[string]*location{}
	root.nest(s.block, func(l *location) {
		switch {
		case l.isNamed():
			r.conf.named[l.path] = l
		case !l.inner:
			s.locations = append(s.locations, l)
		}
	})
	whole := slices.ContainsFunc(root.within, func(l *location) bool { return l.isPrefix() && l.path == "/" })
	misplaced := r.misplaced(s.directive, whole)
	if !whole {
		list := append(misplaced, all(s.block, "try_files")...)
		rest := &location{directive: s.directive, path: "/", parent: root, scope: &scope{list: list, parent: root.scope}}
		root.within, s.locations = append(root.within, rest), append(s.locations, rest)
	}
	return root
}

// misplaced returns the ifs of a server that add headers, which nginx allows in a location
// only.
func (r *reader) misplaced(server *directive, hasLocation bool) (found []*directive) {
	message := "nginx refuses this within an if of a server: read as if the if stood in a location"
	if hasLocation {
		message = "nginx refuses this within an if of a server: it is not read"
	}
	for _, d := range all(server.block, "if") {
		adds := slices.IndexFunc(d.block, func(e *directive) bool { return e.name == "add_header" || e.name == "more_set_headers" })
		if adds < 0 {
			continue
		}
		found = append(found, d)
		r.findings.add(source.Finding{
			Fidelity: source.Decide, Place: d.block[adds].Place, Field: d.block[adds].name, Value: d.block[adds].arg(0),
			Message: message, Hint: "move the if into the locations that it is for",
		})
	}
	return found
}

// add adds the routes of a server that differ from what is around them.
func (r *reader) add(s *server) {
	for _, l := range s.locations {
		l.route.Hosts = s.hosts
	}
	if !slices.ContainsFunc(s.locations, func(l *location) bool { return l.route.CORS != nil || len(l.route.Findings) > 0 }) {
		first := s.locations[0].route
		r.silent = append(r.silent, source.Route{Place: first.Place, Name: first.Name, Hosts: s.hosts, Findings: s.told})
		return
	}
	if len(s.names) == 0 {
		r.findings.list = append(r.findings.list, s.told...)
		return
	}
	told := s.told
	for _, l := range s.locations {
		if l.isNeedless(s.locations) {
			continue
		}
		l.route.Findings, told = append(slices.Clone(told), l.route.Findings...), nil
		r.routes = append(r.routes, l.route)
		r.chooser[keyOf(&l.route)] = l
	}
}

// name is what a policy for the location may be called.
func (l *location) name(names []string) string {
	name := ""
	if !slices.Contains(names, "") {
		name = strings.TrimLeft(names[0], "*.")
	}
	if l.path == "/" {
		return name
	}
	return strings.TrimPrefix(name+" "+l.path, " ")
}

func (l *location) routePath() source.Path {
	p := source.Path{Text: source.Text{Place: l.Place, Text: l.path}, Kind: source.StringPath}
	switch {
	case l.isExact():
		p.Kind = source.ExactPath
	case l.isRegex():
		p.Kind, p.Search, p.Fold = source.RegexPath, true, l.modifier == "~*"
	}
	return p
}

// isNeedless reports whether the requests of l would be answered alike without it.
func (l *location) isNeedless(locations []*location) bool {
	if len(l.within) > 0 {
		return false
	}
	around := l.around(locations)
	switch {
	case around == nil || !isSame(l, around):
		return false
	case l.isPrefix() && l.modifier == around.modifier && l.parent == around.parent, l.modifier == "" && l.parent == around:
		return true
	}
	return !slices.ContainsFunc(locations, func(other *location) bool { return !other.isExact() && !isSame(l, other) })
}

// around is the longest prefix around l, nil if there is none.
func (l *location) around(locations []*location) (best *location) {
	for _, other := range locations {
		if other != l && other.isPrefix() && (l.isRegex() || strings.HasPrefix(l.path, other.path)) && (best == nil || len(other.path) > len(best.path)) {
			best = other
		}
	}
	return best
}

func isSame(a, b *location) bool {
	return a.key == b.key && slices.Equal(a.route.Findings, b.route.Findings)
}

// corsKey is equal for what is the same, wherever it stands.
func corsKey(c *source.CORS) string {
	if c == nil {
		return ""
	}
	var origins []string
	for _, o := range c.Origins {
		origins = append(origins, fmt.Sprint(o.Any, o.Regex, o.Meant))
	}
	k := fmt.Sprint(origins, texts(c.Methods), texts(c.Headers), texts(c.Expose), c.Credentials, c.ForwardsUnmatched, c.Denied, c.KeepsUpstream, c.PrivateNetwork)
	if c.MaxAge != nil {
		k += fmt.Sprint(c.MaxAge.Seconds)
	}
	return k
}
