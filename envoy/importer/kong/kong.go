// Package kong reads Kong's cors plugin as its handler acts (kong/plugins/cors/handler.lua),
// from declarative configuration, from KongPlugins with the objects that name them, and from
// parts of these.
package kong

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
)

const (
	system     = "Kong"
	pluginName = "cors"
)

// Claims reports whether a document is Kong's: declarative configuration, an object of its
// ingress controller or one that names its plugins, or a part of such a configuration.
func Claims(doc tree.Node) bool {
	if o, ok := tree.ObjectOf(doc); ok {
		return strings.HasSuffix(o.Group, "konghq.com") || len(references(o)) > 0
	}
	if doc.Field("_format_version").Exists() {
		return true
	}
	c := newConfig()
	c.part(doc)
	return len(c.plugins) > 0
}

// Read returns what the cors plugins of the documents do.
func Read(docs []tree.Node) source.Config {
	docs = fields.Own(tree.Unlist(docs), Claims)
	c := newConfig()
	c.result.Choose = c.choose
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok {
			c.object(o)
			continue
		}
		c.part(doc)
	}
	c.kubernetes(docs)
	c.answer()
	c.result.Findings = append(c.result.Findings, c.ingresses.Beside(system, c.result.Routes)...)
	return c.result
}

func newConfig() *config {
	return &config{overrides: map[string]tree.Object{}, ranks: map[source.Place]rank{}, regexPriorities: map[source.Place]int{}, ages: map[source.Place]int{}}
}

// scope is what a plugin is for: a route, a service, or everything.
type scope string

const everything scope = "everything"

// plugin is a cors plugin.
type plugin struct {
	name           string
	config, entity tree.Node
	scope          scope
	// whole says that it is of a whole configuration, which must have what it is for.
	whole, object bool
	seen, used    bool
}

// lane is a route of Kong, with the scopes whose plugins hold for it, the closest first
// (PluginsIterator: a plugin of a route, of its service, then a global one).
type lane struct {
	route  source.Route
	scopes []scope
	again  bool // it is the rest of a lane, which has told everything
}

// config is what the documents have.
type config struct {
	plugins   []*plugin
	lanes     []lane
	ingresses kubernetes.Group
	overrides map[string]tree.Object // KongIngresses, by namespace and name
	result    source.Config
	// ranks are those of Kong's own routes by place. regexPriorities are those of paths by
	// place, and ages say which ones are older; a route without paths has its own place.
	ranks                 map[source.Place]rank
	regexPriorities, ages map[source.Place]int
}

// tell adds a finding that belongs to no route.
func (c *config) tell(fidelity source.Fidelity, n tree.Node, message, hint string) {
	c.result.Findings = append(c.result.Findings, n.Finding(fidelity, message, hint))
}

// plugin adds one that is for a scope, if it is a cors plugin that is on.
func (c *config) plugin(p plugin) {
	kind := p.entity.Field("name").String()
	if p.object {
		kind = p.entity.Field("plugin").String()
	}
	on := p.entity.Field("enabled")
	off := on.Exists() && !on.True() || p.entity.Field("disabled").True()
	switch {
	case kind != pluginName && !off:
		c.other(kind, p)
		return
	case kind != pluginName:
		return
	case off:
		c.tell(source.Dropped, p.entity, "the plugin is switched off, so it does nothing", "")
		return
	}
	for _, name := range []string{"configFrom", "configPatches"} {
		if from := p.entity.Field(name); from.Exists() {
			c.tell(source.Decide, from, "what the plugin does stands in a Secret, which is not read; it is left out", "write it under config for the import")
			return
		}
	}
	if p.entity.Field("consumer").Exists() || p.entity.Field("consumer_group").Exists() {
		c.tell(source.Decide, p.entity, "Kong refuses a cors plugin for a consumer: a preflight has none; it is left out", "")
		return
	}
	c.plugins = append(c.plugins, &p)
}

// other tells of CORS headers that another plugin names: a function in Lua may write them.
func (c *config) other(kind string, p plugin) {
	const hint = "write a policy that says what is meant, and remove this"
	switch named := fields.NamesOfCORS(p.config); {
	case strings.HasPrefix(kind, "response-transformer"):
		c.transformer(p.config)
	case len(named) > 0:
		c.tell(source.Decide, named[0], "the plugin "+kind+" names a header of CORS here: what it does is not imported", hint)
	case strings.Contains(strings.ToLower(kind), pluginName):
		c.tell(source.Decide, p.entity, "the plugin "+kind+" is not one of Kong's: what it does is not imported", hint)
	}
}

// transformer tells of CORS headers that another plugin writes.
func (c *config) transformer(config tree.Node) {
	for _, action := range config.Fields() {
		for _, h := range action.Field("headers").Items() {
			if policy.IsCORSHeader(strings.ToLower(h.String())) {
				c.tell(source.Decide, h, "a response-transformer changes this header of every answer; it is not imported", "write a policy that says what is meant, and remove this")
			}
		}
	}
}

// effective returns the plugin that holds for a lane, or nil.
func (c *config) effective(l lane) *plugin {
	var first *plugin
	for _, s := range l.scopes {
		for _, p := range c.plugins {
			if p.scope != s {
				continue
			}
			p.seen = true
			if first == nil {
				first = p
			}
		}
	}
	return first
}

// answer makes routes of the lanes and of the plugins.
func (c *config) answer() {
	everywhere := lane{route: source.Route{Name: "kong-global"}, scopes: []scope{everything}}
	global := c.effective(everywhere)
	var parts []part
	varied := false
	for _, l := range c.lanes {
		c.rankLane(&l.route)
		p := c.effective(l)
		parts = c.join(parts, part{l.route, p, l.again})
		varied = varied || p != global
	}
	// A global plugin alone answers all routes alike.
	if global == nil || varied {
		for _, p := range parts {
			c.add(p.route, p.plugin)
			if p.again {
				c.result.Routes[len(c.result.Routes)-1].Findings = nil
			}
		}
	}
	if global != nil {
		everywhere.route.Place = global.entity.Place()
		c.ranks[everywhere.route.Place] = rank{weight: -1} // it is behind all routes
		c.add(everywhere.route, global)
	}
	c.acrossHosts()
	c.alone()
}

func (c *config) rankLane(r *source.Route) {
	c.ranks[r.Place] = rankOf(r)
	c.ages[r.Place] = len(c.ages)
	for _, p := range r.Paths {
		c.ages[p.Place] = len(c.ages)
	}
}

// part is a route with the plugin that holds for it.
type part struct {
	route  source.Route
	plugin *plugin
	again  bool
}

// join adds a part, or its paths to one with the same plugin and the same hosts, if all of them
// count alike.
func (c *config) join(parts []part, p part) []part {
	i := slices.IndexFunc(parts, func(q part) bool {
		return q.plugin == p.plugin && slices.Equal(q.route.Hosts, p.route.Hosts) && len(q.route.Conditions)+len(p.route.Conditions) == 0 &&
			c.kindOf(q.route.Paths) == c.kindOf(p.route.Paths)
	})
	if i < 0 {
		return append(parts, p)
	}
	parts[i].route.Findings = append(parts[i].route.Findings, p.route.Findings...)
	parts[i].route.Paths = append(parts[i].route.Paths, p.route.Paths...)
	return parts
}

// pathKind is how paths count.
type pathKind struct {
	some, regex bool
	priority    int
}

func (c *config) kindOf(paths []source.Path) (k pathKind) {
	if k.some = len(paths) > 0; k.some {
		k.regex, k.priority = isRegex(paths[0]), c.regexPriorities[paths[0].Place]
	}
	return k
}

// add adds a route with the plugin that holds for it, if there is one.
func (c *config) add(r source.Route, p *plugin) {
	c.result.Routes = append(c.result.Routes, c.with(r, p))
}

// with returns the route with what the plugin does.
func (c *config) with(r source.Route, p *plugin) source.Route {
	if p == nil {
		return r
	}
	report := &fields.Report{System: system}
	r.CORS = read(p.config, report)
	r.Findings = append(r.Findings, report.Findings...)
	p.used = true
	return r
}

// alone adds the plugins of which the input does not say what they are for.
func (c *config) alone() {
	for _, p := range c.plugins {
		switch {
		case p.seen && !p.used:
			c.tell(source.Dropped, p.entity, "each route of the input that this is for has a closer cors plugin, so this does nothing", "")
		case !p.seen:
			r := source.Route{Name: cmp.Or(p.name, string(p.scope)), Place: p.entity.Place()}
			fields.Somewhere(&r, p.what(), p.whole, fields.Answering(c.result.Routes))
			c.add(r, p)
		}
	}
}

// what names what a plugin is for.
func (p *plugin) what() string {
	switch kind, name, _ := strings.Cut(string(p.scope), " "); {
	case p.object:
		return "an object that names the plugin " + strings.TrimPrefix(name, "/")
	case name != "":
		return "the " + kind + " " + name
	}
	return "a route or a service"
}
