package kong

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// others are the lists of a declarative configuration that have plugins of their own, for
// something that is not a route, a service or everything.
var others = []string{"consumers", "consumer_groups"}

// part reads declarative configuration, or a part of it: lists of services, routes and
// plugins, a service, a route, a plugin, or a plugin's config.
func (c *config) part(doc tree.Node) {
	version, err := strconv.ParseFloat(doc.Field("_format_version").String(), 64)
	d := declarative{config: c, whole: err == nil, patterns: err == nil && version < 3}
	switch {
	case doc.IsList():
		for _, item := range doc.Items() {
			c.part(item)
		}
	case doc.Field("services").IsList(), doc.Field("routes").IsList(), doc.Field("plugins").IsList(), d.whole:
		d.read(doc)
	case doc.Field("data").IsList(): // as the Admin API lists them
		c.part(doc.Field("data"))
	case doc.Field("plugin").String() == pluginName: // a KongPlugin without its head
		c.plugin(plugin{entity: doc, config: doc.Field("config"), object: true})
	case doc.Field("name").String() == pluginName:
		d.plugin(doc, "")
	case doc.Field("config", "origins").Exists(), doc.Field("config", "exposed_headers").Exists():
		c.plugins = append(c.plugins, &plugin{config: doc.Field("config"), entity: doc})
	case doc.Field("origins").Exists() && (doc.Field("methods").Exists() || doc.Field("credentials").Exists()):
		c.plugins = append(c.plugins, &plugin{config: doc, entity: doc})
	case doc.Field("name").Exists() && doc.Field("config").IsMapping():
		d.plugin(doc, "") // another one
	}
}

// declarative reads one document of declarative configuration.
type declarative struct {
	*config
	whole bool
	// patterns says that each path with characters of a regex is one, as before Kong 3.
	patterns bool
}

// read reads what has lists of services, routes and plugins: a configuration, or a service
// or a route by itself.
func (d declarative) read(doc tree.Node) {
	if doc.Field("hosts").Exists() || doc.Field("paths").Exists() {
		d.route(doc, nil)
		return
	}
	if doc.Field("url").Exists() || doc.Field("host").Exists() {
		d.service(doc)
		return
	}
	for _, s := range doc.Field("services").Items() {
		d.service(s)
	}
	for _, r := range doc.Field("routes").Items() {
		d.route(r, scopesOf("service", r.Field("service")))
	}
	for _, p := range doc.Field("plugins").Items() {
		fallback := scope("")
		if d.whole {
			fallback = everything
		}
		d.plugin(p, fallback)
	}
	for _, name := range others {
		for _, entity := range doc.Field(name).Items() {
			for _, p := range entity.Field("plugins").Items() {
				if p.Field("name").String() == pluginName {
					d.tell(source.Decide, p, "Kong refuses a cors plugin for a consumer: a preflight has none; it is left out", "")
					continue
				}
				d.plugin(p, "")
			}
		}
	}
}

func (d declarative) service(s tree.Node) {
	own := append([]scope{scope(s.Path() + " " + s.Place().String())}, scopesOf("service", s)...)
	for _, r := range s.Field("routes").Items() {
		d.route(r, own)
	}
	for _, p := range s.Field("plugins").Items() {
		d.plugin(p, own[0])
	}
}

// scopesOf returns the scopes of what n names, by its text, or is, by its name and id.
func scopesOf(kind string, n tree.Node) []scope {
	var all []scope
	for _, name := range []string{n.String(), n.Field("name").String(), n.Field("id").String()} {
		if name != "" {
			all = append(all, scope(kind+" "+name))
		}
	}
	return all
}

// plugin adds a plugin: what it names itself comes before what it stands in.
func (d declarative) plugin(p tree.Node, within scope) {
	own := append(scopesOf("route", p.Field("route")), scopesOf("service", p.Field("service"))...)
	if len(own) > 0 {
		within = own[0]
	}
	d.config.plugin(plugin{name: p.Field("instance_name").String(), entity: p, config: p.Field("config"), scope: within, whole: d.whole})
}

// route adds a route.
func (d declarative) route(r tree.Node, service []scope) {
	own := scope(r.Path() + " " + r.Place().String())
	l := lane{
		route:  source.Route{Name: r.Field("name").String(), Place: r.Place()},
		scopes: append(append([]scope{own}, scopesOf("route", r)...), service...),
	}
	l.scopes = append(l.scopes, everything)
	for _, h := range r.Field("hosts").Entries() {
		l.host(h)
	}
	l.conditions(r)
	d.add(l, r)
	for _, p := range r.Field("plugins").Items() {
		d.plugin(p, own)
	}
}

// add adds a lane, or two if it has regexes besides other paths: each kind counts by itself.
func (d declarative) add(l lane, r tree.Node) {
	var regexes []source.Path
	priority, _ := strconv.Atoi(r.Field("regex_priority").String())
	for _, n := range r.Field("paths").Entries() {
		p := d.path(n)
		if p.Kind == source.RegexPath {
			d.regexPriorities[p.Place] = priority
			regexes = append(regexes, p)
			continue
		}
		l.route.Paths = append(l.route.Paths, p)
	}
	if len(regexes) == 0 || len(l.route.Paths) > 0 {
		d.lanes = append(d.lanes, l)
	}
	if len(regexes) > 0 {
		l.again = len(l.route.Paths) > 0
		l.route.Paths = regexes
		d.lanes = append(d.lanes, l)
	}
}

// port is that of a host: the route takes the requests of this port alone.
var port = regexp.MustCompile(`:[0-9]+$`)

// host adds a host, without its port.
func (l *lane) host(n tree.Node) {
	name := port.ReplaceAllString(n.String(), "")
	if name != n.String() {
		l.route.Findings = append(l.route.Findings, n.Finding(source.Decide, "the route takes this port of the host alone, and a policy covers every port", ""))
	}
	l.route.Hosts = append(l.route.Hosts, name)
}

// plainPath is a path that was not a regex before Kong 3.
var plainPath = regexp.MustCompile(`^[a-zA-Z0-9._~/%-]*$`)

// path reads a path: a prefix as a text, or behind "~" a regex for its beginning.
func (d declarative) path(n tree.Node) source.Path {
	expr, isRegex := strings.CutPrefix(n.String(), "~")
	if !isRegex && (!d.patterns || plainPath.MatchString(expr)) {
		return source.Path{Text: n.Text(), Kind: source.StringPath}
	}
	return regexPath(n.Text(), expr)
}

// regexPath is a regex for the beginning of the path.
func regexPath(at source.Text, expr string) source.Path {
	if !strings.HasSuffix(expr, "$") && !strings.HasSuffix(expr, ".*") {
		expr += ".*"
	}
	return source.Path{Text: source.Text{Place: at.Place, Text: expr}, Kind: source.RegexPath}
}

// conditions reads what a route wants besides host and path. Its protocols and what it does
// with the request are not conditions.
func (l *lane) conditions(r tree.Node) {
	for _, name := range []string{"methods", "snis", "sources", "destinations"} {
		var values []string
		for _, v := range r.Field(name).Entries() {
			values = append(values, v.String())
		}
		if len(values) > 0 {
			l.condition(r.Field(name), name+" "+strings.Join(values, ", "))
		}
	}
	for _, h := range r.Field("headers").Fields() {
		l.condition(h.Node, "header "+h.Key.Text)
	}
	if e := r.Field("expression"); e.Exists() {
		l.condition(e, "expression "+e.String())
	}
}

func (l *lane) condition(n tree.Node, text string) {
	l.route.Conditions = append(l.route.Conditions, source.Text{Place: n.Place(), Text: text})
}
