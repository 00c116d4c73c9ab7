// Package nginx reads what nginx.conf says about CORS. It follows what nginx does with
// each kind of request, as far as a browser's question decides it.
package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// config is what holds for all servers.
type config struct {
	maps  map[string]*mapping
	set   map[string]bool // the variables that some set gives a value
	named map[string]*scope
	seen  []seenOrigin
	known map[[2]string]bool // of seen: text and fold
	// supposed says that the header is not in the input.
	supposed bool
	sent     map[*directive]bool // the directives whose headers some request gets
	regexes  map[string]compiled
}

// compiled is a regex, or what RE2 says of it.
type compiled struct {
	*regexp.Regexp
	err error
}

func (c *config) compile(expr string) (*regexp.Regexp, error) {
	re, known := c.regexes[expr]
	if !known {
		re.Regexp, re.err = regexp.Compile(expr)
		c.regexes[expr] = re
	}
	return re.Regexp, re.err
}

// seenOrigin is an origin that the configuration names as a text.
type seenOrigin struct {
	source.Text
	fold bool
}

func (c *config) seeOrigin(text string, fold bool, at source.Place) {
	key := [2]string{text, fmt.Sprint(fold)}
	if text == "" || c.known[key] {
		return
	}
	c.known[key] = true
	c.seen = append(c.seen, seenOrigin{source.Text{Place: at, Text: text}, fold})
}

// folds reports whether a map has that text.
func (c *config) folds(text string) bool { return c.known[[2]string{text, "true"}] }

// Read reads the files of one nginx.conf tree, or fragments of one.
func Read(files []source.File) (source.Config, error) {
	roots, told, err := load(files)
	if err != nil {
		return source.Config{}, err
	}
	out := source.Config{}
	for _, root := range roots {
		r := newReader(root)
		r.read(root)
		out.Routes = append(out.Routes, r.routes...)
		out.Findings = append(out.Findings, r.findings.list...)
	}
	if len(out.Routes)+len(out.Findings) == 0 {
		told = slices.DeleteFunc(told, func(f source.Finding) bool { return !isMissing(f) })
	}
	out.Findings = append(told, out.Findings...)
	return out, nil
}

type reader struct {
	conf     *config
	routes   []source.Route
	silent   []source.Route // servers that have nothing about CORS
	findings findings
}

func newReader(root []*directive) *reader {
	r := &reader{conf: &config{maps: map[string]*mapping{}, set: map[string]bool{}, named: map[string]*scope{}, sent: map[*directive]bool{}, regexes: map[string]compiled{}}}
	walk(root, func(d *directive) {
		switch d.name {
		case "map":
			r.conf.maps[strings.ToLower(strings.TrimPrefix(d.arg(1), "$"))] = newMapping(d)
		case "set":
			r.conf.set[strings.ToLower(strings.TrimPrefix(d.arg(0), "$"))] = true
		}
		r.unread(d)
	})
	return r
}

// known are the headers of CORS that answers have.
var known = []string{
	allowOrigin, "access-control-allow-credentials", "access-control-allow-methods", "access-control-allow-headers",
	"access-control-expose-headers", "access-control-max-age", "access-control-allow-private-network",
}

// unread tells of what is about CORS and is not read.
func (r *reader) unread(d *directive) {
	tell := func(fidelity source.Fidelity, value, message string) {
		r.findings.add(source.Finding{Fidelity: fidelity, Place: d.Place, Field: d.name, Value: value, Message: message})
	}
	switch d.name {
	case "add_header", "more_set_headers":
		name := strings.ToLower(headerName(d))
		switch {
		case strings.HasPrefix(name, "access-control-request-"):
			tell(source.Dropped, headerName(d), "this is a header of requests: in an answer it does nothing")
		case policy.IsCORSHeader(name) && !slices.Contains(known, name):
			tell(source.Dropped, headerName(d), "browsers know no such header: it does nothing")
		}
		return
	case "more_clear_headers", "log_format", "access_log", "if", "map", "set", "location", "server", "http", "proxy_pass_header", "add_trailer":
		return
	}
	for _, arg := range d.args {
		switch lower := strings.ToLower(arg); {
		case !strings.Contains(lower, "access-control-") || strings.HasSuffix(d.name, "_hide_header"):
		case strings.HasSuffix(d.name, "_set_header") || d.name == "more_set_input_headers" || strings.HasSuffix(d.name, "_param"):
			tell(source.Dropped, arg, "this header goes to the upstream, and browsers do not see it: it does nothing for CORS")
		default:
			tell(source.Decide, "", "this has to do with CORS and is not understood: what it does is not imported")
		}
	}
}

func headerName(d *directive) string {
	name := d.arg(0)
	if d.name == "more_set_headers" {
		for _, text := range moreHeaders(d) {
			name, _, _ = strings.Cut(text, ":")
		}
	}
	return strings.TrimSpace(name)
}

func setsOrigin(d *directive) bool {
	switch d.name {
	case "add_header":
		return strings.EqualFold(d.arg(0), allowOrigin)
	case "more_set_headers":
		return slices.ContainsFunc(moreHeaders(d), func(text string) bool {
			name, _, _ := strings.Cut(text, ":")
			return strings.EqualFold(strings.TrimSpace(name), allowOrigin)
		})
	}
	return false
}

// read finds the servers, wherever a fragment begins.
func (r *reader) read(root []*directive) {
	sets, refuses := false, false
	walk(root, func(d *directive) {
		sets = sets || setsOrigin(d)
		refuses = refuses || d.name == "if" && strings.EqualFold(d.arg(0), "$"+varOrigin) && len(all(d.block, "return")) > 0
	})
	if !sets {
		root = append(slices.Clone(root), r.supposed(root)...)
		if len(r.findings.list) == 0 && !refuses {
			return
		}
	}
	outer := &scope{list: root}
	if http := all(root, "http"); len(http) > 0 {
		outer = &scope{list: http[0].block}
		for _, more := range http[1:] {
			outer.list = append(outer.list, more.block...)
		}
	}
	servers := all(outer.list, "server")
	switch {
	case len(servers) > 0:
		for _, d := range servers {
			r.server(outer, d)
		}
		r.first(servers)
		r.settle()
	case len(all(outer.list, "location")) > 0:
		r.server(nil, &directive{Place: outer.list[0].Place, block: outer.list})
	case len(outer.list) > 0:
		r.server(nil, &directive{Place: outer.list[0].Place, block: []*directive{
			{Place: outer.list[0].Place, name: "location", args: []string{"/"}, block: outer.list},
		}})
	}
	r.unsent(root, false)
}

// unsent tells of headers that no request gets. Those of a location that others lead to, by
// try_files or error_page, are not known to be sent.
func (r *reader) unsent(list []*directive, inner bool) {
	for _, d := range list {
		inner := inner || d.name == "location" && (strings.HasPrefix(d.arg(0), "@") || len(all(d.block, "internal")) > 0)
		f := source.Finding{Fidelity: source.Dropped, Place: d.Place, Field: d.name, Value: d.arg(0), Message: "no request that a browser may make gets this header: other add_header replace it, or its conditions never hold"}
		if inner {
			f.Fidelity, f.Hint = source.Decide, "write a policy for the paths that lead there"
			f.Message = "requests come here from other locations only, which answer some by themselves: what this adds is not imported"
		}
		if setsOrigin(d) && !r.conf.sent[d] {
			r.findings.add(f)
		}
		r.unsent(d.block, inner)
	}
}

// supposed returns the header that a fragment leaves out which only says which origins
// it knows.
func (r *reader) supposed(root []*directive) (added []*directive) {
	name, at := "", source.Place{}
	walk(root, func(d *directive) {
		about := strings.Contains(strings.ToLower(d.arg(0)), "$"+varOrigin) || strings.Contains(d.arg(0), "${"+varOrigin+"}")
		switch {
		case name != "" || len(all(root, "http"))+len(all(root, "server")) > 0:
		case d.name == "map" && about:
			name, at = strings.TrimPrefix(d.arg(1), "$"), d.Place
		case d.name == "if" && about:
			for _, set := range all(d.block, "set") {
				name, at = strings.TrimPrefix(set.arg(0), "$"), set.Place
			}
		}
	})
	if name == "" || isUsed(root, "$"+name) {
		return nil
	}
	r.conf.supposed = true
	r.findings.add(source.Finding{
		Fidelity: source.Decide, Place: at, Field: "$" + name,
		Message: "no add_header in the input sends Access-Control-Allow-Origin: the origins that set $" + name + " are taken for those that are allowed, with no further headers",
		Hint:    "import the server block that uses $" + name + " together with this",
	})
	if d := r.conf.maps[strings.ToLower(name)]; d != nil && isSwitch(d.directive) {
		return r.switched(d.directive)
	}
	if !r.setsToOrigin(root, name) && r.conf.maps[strings.ToLower(name)] == nil {
		return []*directive{{Place: at, name: "if", args: []string{"$" + name}, block: []*directive{supposedHeader(at, "$"+varOrigin)}}}
	}
	return []*directive{supposedHeader(at, "$"+name)}
}

// isUsed reports whether a variable is there for something else than CORS.
func isUsed(root []*directive, variable string) (used bool) {
	walk(root, func(d *directive) {
		if d.name == "map" || d.name == "set" || d.name == "if" && len(all(d.block, "return")) == 0 {
			return
		}
		used = used || slices.ContainsFunc(d.args, func(arg string) bool { return strings.Contains(arg, variable) })
	})
	return used
}

func supposedHeader(at source.Place, text string) *directive {
	return &directive{Place: at, name: "add_header", args: []string{"Access-Control-Allow-Origin", text, "always"}}
}

// setsToOrigin reports whether the variable holds origins, and not yes or no.
func (r *reader) setsToOrigin(root []*directive, name string) (yes bool) {
	walk(root, func(d *directive) {
		if d.name == "set" && strings.EqualFold(d.arg(0), "$"+name) {
			yes = yes || strings.Contains(d.arg(1), "$") || strings.Contains(d.arg(1), "://")
		}
	})
	return yes
}

// isSwitch reports whether a map says yes or no, and names no origins.
func isSwitch(d *directive) bool {
	return !slices.ContainsFunc(d.block, func(e *directive) bool {
		return strings.Contains(e.arg(0), "$") || strings.Contains(e.arg(0), "://") || e.arg(0) == "*"
	})
}

// switched sends the origin if a map says yes.
func (r *reader) switched(d *directive) []*directive {
	return []*directive{{Place: d.Place, name: "if", args: []string{d.arg(1)}, block: []*directive{supposedHeader(d.Place, "$"+varOrigin)}}}
}

// server reads one server block.
func (r *reader) server(outer *scope, d *directive) {
	server := &scope{list: d.block, parent: outer}
	r.conf.named = map[string]*scope{}
	var locations []*location
	r.locations(server, d.block, &locations)
	hosts, told := hostsOf(d)
	found := findings{list: told}
	if len(hosts) == 0 && len(told) > 0 {
		r.findings.list = append(r.findings.list, told...)
		walk(d.block, func(d *directive) { r.conf.sent[d] = true }) // it is told already
		return
	}
	whole := slices.ContainsFunc(locations, func(l *location) bool { return l.kind == source.StringPath && l.path == "/" })
	misplaced := r.misplaced(d, whole)
	if !whole {
		locations = append(locations, &location{path: "/", kind: source.StringPath, scope: &scope{list: misplaced, parent: server}, directive: d})
	}
	for _, l := range locations {
		r.conf.seen, r.conf.known = nil, map[[2]string]bool{}
		told := findings{}
		s := &site{conf: r.conf, server: server, location: l.scope, findings: &told}
		route := source.Route{Place: l.Place, Hosts: hosts, Name: l.name(hosts)}
		if l.kind != source.StringPath || l.path != "/" {
			route.Paths = []source.Path{{Text: source.Text{Place: l.Place, Text: l.path}, Kind: l.kind}}
		}
		route.CORS = s.cors()
		route.Findings = told.list
		l.route = route
	}
	r.keep(locations, found.list)
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

// keep adds the routes that differ from what is around them.
func (r *reader) keep(locations []*location, told []source.Finding) {
	if !slices.ContainsFunc(locations, func(l *location) bool { return l.route.CORS != nil || len(l.route.Findings) > 0 }) {
		r.silent = append(r.silent, source.Route{Place: locations[0].Place, Name: locations[0].route.Name, Hosts: locations[0].route.Hosts})
		return
	}
	slices.SortStableFunc(locations, func(a, b *location) int { return a.rank() - b.rank() })
	first := true
	for _, l := range locations {
		if around := l.around(locations); around != nil && isSame(around, l) {
			continue
		}
		if first {
			l.route.Findings, first = append(slices.Clone(told), l.route.Findings...), false
		}
		r.routes = append(r.routes, l.route)
	}
}

// location is one location of a server; the server itself is the location "/".
type location struct {
	*directive
	path  string
	kind  source.PathKind
	scope *scope
	route source.Route
}

func (l *location) name(hosts []string) string {
	name := ""
	if len(hosts) > 0 {
		name = strings.TrimPrefix(hosts[0], "*.")
	}
	if l.path == "/" {
		return name
	}
	return strings.TrimPrefix(name+" "+l.path, " ")
}

// rank puts exact paths first, then regexes, then prefixes: nginx asks them in this order.
func (l *location) rank() int {
	switch l.kind {
	case source.ExactPath:
		return 0
	case source.RegexPath:
		return 1
	}
	return 2
}

// around is the location that would have the requests of l without it, nil if there is
// none or more than one.
func (l *location) around(locations []*location) (best *location) {
	var prefixes []*location
	for _, other := range locations {
		if other != l && other.kind == source.StringPath {
			prefixes = append(prefixes, other)
		}
	}
	if l.kind == source.RegexPath {
		for _, other := range prefixes {
			if best != nil && !isSame(best, other) {
				return nil
			}
			best = other
		}
		return best
	}
	for _, other := range prefixes {
		if strings.HasPrefix(l.path, other.path) && (best == nil || len(other.path) > len(best.path)) {
			best = other
		}
	}
	return best
}

func isSame(a, b *location) bool { return routeKey(a.route) == routeKey(b.route) }

func routeKey(r source.Route) string {
	if r.CORS == nil && len(r.Findings) == 0 {
		return ""
	}
	return fmt.Sprintf("%+v %+v", r.CORS, r.Findings)
}

// locations collects the locations below list.
func (r *reader) locations(parent *scope, list []*directive, found *[]*location) {
	for _, d := range all(list, "location") {
		s := &scope{list: d.block, parent: parent}
		modifier, path := d.arg(0), d.arg(1)
		if len(d.args) == 1 {
			modifier, path = "", d.arg(0)
			for _, m := range []string{"=", "^~", "~*", "~"} { // "location ~^/x" needs no blank
				if rest, cut := strings.CutPrefix(path, m); cut {
					modifier, path = m, rest
					break
				}
			}
		}
		r.locations(s, d.block, found)
		switch {
		case strings.HasPrefix(path, "@"):
			r.conf.named[path] = s
			continue
		case len(all(d.block, "internal")) > 0:
			continue
		}
		l := &location{directive: d, path: path, scope: s, kind: source.StringPath}
		switch modifier {
		case "=":
			l.kind = source.ExactPath
		case "~":
			l.kind = source.RegexPath
		case "~*":
			l.kind, l.path = source.RegexPath, "(?i)"+path
		}
		*found = append(*found, l)
	}
}

// hostsOf returns the hosts of a server; none: every host.
func hostsOf(d *directive) (hosts []string, told []source.Finding) {
	tell := func(fidelity source.Fidelity, at *directive, value, message string) {
		told = append(told, source.Finding{Fidelity: fidelity, Place: at.Place, Field: at.name, Value: value, Message: message})
	}
	every := len(all(d.block, "server_name")) == 0
	for _, names := range all(d.block, "server_name") {
		for _, name := range names.args {
			name = strings.ToLower(name)
			switch {
			case name == "_" || name == "" || name == "*":
				every = true
			case strings.HasPrefix(name, "~"):
				tell(source.Decide, names, name, "a policy's hosts are names, not regexes: this name is left out")
			case strings.HasSuffix(name, ".*"):
				tell(source.Decide, names, name, "a policy's hosts have no star at the end: this name is left out")
			case strings.HasPrefix(name, "."):
				hosts = append(hosts, name[1:], "*"+name)
			case strings.ContainsAny(name, "$/"):
				tell(source.Decide, names, name, "this is not a host's name: it is left out")
			default:
				hosts = append(hosts, name)
			}
		}
	}
	for _, listen := range all(d.block, "listen") {
		if slices.Contains(listen.args, "default_server") || slices.Contains(listen.args, "default") {
			every = true
		}
	}
	if every {
		return nil, nil
	}
	return hosts, told
}

// first tells of the server that answers for every other host as well: the first one, if
// none is the default_server.
func (r *reader) first(servers []*directive) {
	hosts, told := hostsOf(servers[0])
	if len(hosts) == 0 || len(told) > 0 || len(r.routes) == 0 || !slices.Equal(r.routes[0].Hosts, hosts) {
		return
	}
	for _, d := range servers {
		if hosts, told := hostsOf(d); len(hosts) == 0 && len(told) == 0 {
			return
		}
	}
	names := all(servers[0].block, "server_name")[0]
	r.routes[0].Findings = append(r.routes[0].Findings, source.Finding{
		Fidelity: source.Narrowed, Place: names.Place, Field: "server_name", Value: strings.Join(names.args, " "),
		Message: "nginx answers requests for any other host with its first server, too; the policy has only this server's names",
	})
}

// settle adds the servers that have nothing about CORS, if a policy for every host or for
// a name with a star would have their requests.
func (r *reader) settle() {
	wide := slices.ContainsFunc(r.routes, func(route source.Route) bool {
		return route.CORS != nil && (len(route.Hosts) == 0 || slices.ContainsFunc(route.Hosts, func(h string) bool { return strings.HasPrefix(h, "*") }))
	})
	if !wide {
		return
	}
	for _, silent := range r.silent {
		taken := slices.ContainsFunc(r.routes, func(route source.Route) bool { return slices.Equal(route.Hosts, silent.Hosts) })
		if len(silent.Hosts) > 0 && !taken {
			r.routes = append(r.routes, silent)
		}
	}
}
