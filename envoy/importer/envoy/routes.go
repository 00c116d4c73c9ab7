package envoyimport

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
)

// reader makes routes of virtual hosts.
type reader struct {
	source.Config
	told   map[string]bool         // :: place, and what was told of it
	cors   map[string]*source.CORS // :: places of the policies
	owners map[string]*host        // :: host; "" is every host
}

// config returns what the parts say.
func (c *collection) config() source.Config {
	r := &reader{Config: source.Config{Choose: source.First}, told: map[string]bool{}, cors: map[string]*source.CORS{}, owners: map[string]*host{}}
	for _, m := range c.managers {
		if m.name == "" {
			r.Findings = append(r.Findings, m.findings()...)
		}
	}
	hosts := c.virtualHosts()
	for _, h := range hosts {
		r.Findings = append(r.Findings, h.setScopes(c.hosts)...)
		h.entries = r.entries(h)
	}
	if !slices.ContainsFunc(hosts, func(h *host) bool { return h.allowing() != nil }) {
		c.tellIdle(r)
	}
	r.tellWider(hosts)
	r.share(hosts)
	for _, h := range hosts {
		r.addRoutes(h)
	}
	for _, h := range hosts {
		r.closeHost(h)
	}
	slices.SortStableFunc(r.Routes, func(a, b source.Route) int { return cmp.Compare(rank(a), rank(b)) })
	return r.Config
}

// rank orders routes as Envoy does their virtual hosts, wherever those stand: that of every
// host comes last, and "www.*" before it, as "*-eu.example.org" does before "*.example.org".
func rank(r source.Route) int {
	switch {
	case slices.ContainsFunc(r.Conditions, func(c source.Text) bool { return strings.HasPrefix(c.Text, hostCondition) }):
		return 0
	case len(r.Hosts) > 0:
		return 1
	}
	return 2
}

// tellIdle tells of cors filters if no route has a policy for them.
func (c *collection) tellIdle(r *reader) {
	for _, m := range c.managers {
		if m.name == "" && len(m.names) > 0 {
			r.Findings = append(r.Findings, m.Finding(source.Dropped, "there is a cors filter here, and no policy in the input that it could read: it does nothing", ""))
		}
	}
}

// entry is a route with what Envoy answers there.
type entry struct {
	match
	name     string
	place    source.Place
	cors     *source.CORS
	local    bool // Envoy answers by itself
	findings []source.Finding
}

// takesAll reports whether e takes each request.
func (e entry) takesAll() bool { return e.everyPath && len(e.conditions) == 0 && !e.never }

// entries returns the routes of h.
func (r *reader) entries(h *host) []entry {
	above := h.above
	if h.level.Exists() {
		above = append(slices.Clone(above), levelOf(h.level, h.manager.filterNames()))
	}
	if len(h.routes) == 0 && len(h.above) == 0 && h.manager != nil && h.manager.policy.Exists() {
		above = append(levels{{typed: h.manager.policy}}, above...)
	}
	findings := append(addedHeaders(h.level), Misspelt(h.level, "cors")...)
	if len(h.routes) == 0 && !h.Field("routes").Exists() && !h.matcher().Exists() {
		e := entry{match: match{everyPath: true}, place: h.place(above)}
		e.cors, e.findings = r.answer(h, above)
		e.findings = append(e.findings, findings...)
		return []entry{e}
	}
	var entries []entry
	for _, n := range h.routes {
		entries = append(entries, r.entry(h, above, n))
	}
	if h.matcher().Exists() {
		entries = append(entries, r.chosen(h, above)...)
	}
	if len(entries) > 0 {
		entries[0].findings = append(findings, entries[0].findings...)
	}
	return entries
}

// chosen returns the routes among which a matcher tree chooses, which is a condition of each.
func (r *reader) chosen(h *host, above levels) []entry {
	var entries []entry
	for _, n := range routesIn(h.matcher()) {
		e := r.entry(h, above, n)
		e.conditions = append(e.conditions, source.Text{Place: h.matcher().Place(), Text: "matcher tree"})
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		r.Findings = append(r.Findings, h.matcher().Finding(source.Decide, "no route can be read in this matcher tree: what it chooses is left out", ""))
	}
	return entries
}

// routesIn returns the routes at any depth of a matcher tree.
func routesIn(n tree.Node) []tree.Node {
	switch message, name := unwrap(n); name {
	case "Route":
		return []tree.Node{message}
	case "RouteList":
		return message.Field("routes").Entries()
	}
	var routes []tree.Node
	for _, item := range n.Items() {
		routes = append(routes, routesIn(item)...)
	}
	for _, f := range n.Fields() {
		routes = append(routes, routesIn(f.Node)...)
	}
	return routes
}

func (h *host) place(ls levels) source.Place {
	if h.Exists() || len(ls) == 0 {
		return h.Place()
	}
	return ls[0].typed.Place()
}

// entry reads a route.
func (r *reader) entry(h *host, above levels, n tree.Node) entry {
	action := n.Field("route")
	l := levelOf(n, h.manager.filterNames())
	c := &checker{findings: slices.Concat(addedHeaders(n), addedHeaders(action), Misspelt(n, "cors"), Misspelt(action, "cors"))}
	if l.old.Exists() {
		c.tell(source.Differs, l.old, "Envoy does not load cors beside route: it is read as if it stood in it", "")
	} else {
		l.old = action.Field("cors")
	}
	e := entry{match: matchOf(n.Field("match")), name: n.Field("name").String(), place: n.Place()}
	e.local = n.Proto("redirect").Exists() || n.Proto("direct_response").Exists() || n.Proto("non_forwarding_action").Exists()
	if !e.local {
		var findings []source.Finding
		e.cors, findings = r.answer(h, append(slices.Clone(above), l))
		c.findings = append(c.findings, findings...)
	}
	for _, cluster := range action.Proto("weighted_clusters", "clusters").Entries() {
		c.findings = append(c.findings, addedHeaders(cluster)...)
		if hasCORS(cluster) {
			c.tell(source.Decide, cluster, "this cluster has a policy of its own, and chance decides whether it answers: the route is left out", "")
			e.cors = nil
		}
	}
	e.findings = c.findings
	return e
}

// answer returns what the filter answers by the levels, and what is to be told of them.
func (r *reader) answer(h *host, ls levels) (*source.CORS, []source.Finding) {
	c := &checker{}
	ps, hidden := ls.policies()
	r.tellOnce(c, hidden, source.Dropped, "Envoy does not read cors where typed_per_filter_config has a CorsPolicy", "")
	for _, l := range ls {
		r.tellOnce(c, l.foreign, source.Dropped, "the cors filter has another name: Envoy does not read this policy", "for Envoy, name it as in http_filters")
		r.tellOnce(c, l.misnamed, source.Decide, "Envoy reads this policy only if http_filters, which are not in the input, have its cors filter under this name", "add them to the input")
	}
	for _, p := range ps {
		if r.first(p, "fields") {
			c.findings = append(c.findings, check(p)...)
		}
	}
	if len(ps) == 0 || ls.disabled(h.manager != nil && h.manager.disabled) {
		return nil, c.findings
	}
	cors := r.effective(ps, ls.strip())
	if len(cors.Origins) == 0 {
		if !ps.listing().Exists() && r.first(ps[0], "origins") {
			c.noOrigins(ps[0], cors)
		}
		return nil, c.findings
	}
	if h.manager != nil && len(h.manager.names) == 0 && cors.Mode != policy.ModeOff {
		c.tell(source.Decide, h.manager.Node, "the HTTP filters have no "+filterName+": Envoy reads none of its policies", `write mode: "enforce" if they are to act`)
		cors.Mode = policy.ModeOff
	}
	return cors, c.findings
}

// tellOnce tells the same of several nodes, and of none twice.
func (r *reader) tellOnce(c *checker, nodes []tree.Node, f source.Fidelity, message, hint string) {
	for _, n := range nodes {
		if r.first(n, message) {
			c.tell(f, n, message, hint)
		}
	}
}

func (c *checker) noOrigins(p tree.Node, cors *source.CORS) {
	if cors.ForwardsUnmatched {
		c.tell(source.Dropped, p, "no origin is allowed: the policy does nothing", "")
		return
	}
	c.tell(source.Decide, p, "no origin is allowed, and Envoy answers each preflight without CORS headers: a policy needs an origin", "")
}

// first reports whether it was not asked before: what holds for several routes is told once.
func (r *reader) first(n tree.Node, what string) bool {
	key := n.Place().String() + " " + what
	again := r.told[key]
	r.told[key] = true
	return !again
}

// effective returns the same CORS for the same policies. strips tells that the upstream's
// own headers do not reach the page.
func (r *reader) effective(ps policies, strips bool) *source.CORS {
	var key strings.Builder
	key.WriteString(strconv.FormatBool(strips))
	for _, p := range ps {
		key.WriteString(p.Place().String() + " ")
	}
	if r.cors[key.String()] == nil {
		cors := ps.effective()
		cors.KeepsUpstream = !strips
		r.cors[key.String()] = cors
	}
	return r.cors[key.String()]
}

// addedHeaders tells the headers of CORS that Envoy adds to every response.
func addedHeaders(n tree.Node) []source.Finding {
	var findings []source.Finding
	for _, added := range n.Proto("response_headers_to_add").Entries() {
		if f, ok := AddedHeader(added.Field("header", "key").String(), added.Field("header", "value")); ok {
			findings = append(findings, f)
		}
	}
	return findings
}

// addRoutes adds the routes of h for each of its scopes.
func (r *reader) addRoutes(h *host) {
	groups := h.fold()
	told := max(0, slices.IndexFunc(h.scopes, func(s scope) bool { return s.condition == nil }))
	for i, s := range h.scopes {
		for _, g := range groups {
			g.Hosts = s.hosts
			g.Conditions = append(slices.Clone(g.Conditions), s.condition...)
			if i != told {
				g.Findings = nil // they are told once
			}
			r.Routes = append(r.Routes, g)
		}
	}
	if len(h.scopes) == 0 {
		for _, g := range groups {
			r.Findings = append(r.Findings, g.Findings...)
		}
	}
}

// closeHost adds a route for what no entry of h matches.
func (r *reader) closeHost(h *host) {
	if !h.Field("domains").Exists() || slices.ContainsFunc(h.entries, entry.takesAll) {
		return
	}
	for _, s := range h.scopes {
		rest := source.Route{Name: h.name, Place: h.Place(), Hosts: s.hosts, Conditions: s.condition}
		if s.condition == nil {
			r.Routes = append(r.Routes, Closing(r.Routes, rest)...)
		} else {
			r.Routes = append(r.Routes, rest)
		}
	}
}

// Closing returns a route for those requests of all.Hosts that no other route of the very
// hosts matches, if routes of more hosts would take them otherwise. Envoy answers them with 404:
// it does not go on to other virtual hosts.
func Closing(routes []source.Route, all source.Route) []source.Route {
	var open []string
	for _, host := range all.Hosts {
		closed := slices.ContainsFunc(routes, func(r source.Route) bool {
			return len(r.Paths)+len(r.Conditions) == 0 && slices.Contains(r.Hosts, host)
		})
		if !closed && slices.ContainsFunc(routes, func(r source.Route) bool { return fields.Cover(r.Hosts, host) }) {
			open = append(open, host)
		}
	}
	if open == nil {
		return nil
	}
	all.Hosts = open
	return []source.Route{all}
}

// fold makes one route of entries that follow each other and get the same answer.
func (h *host) fold() []source.Route {
	entries := slices.DeleteFunc(slices.Clone(h.entries), func(e entry) bool { return e.never })
	var routes []source.Route
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].cors == entries[0].cors {
			n++
		}
		routes = append(routes, joined(entries[:n])...)
		entries = entries[n:]
	}
	for i := range routes {
		routes[i].Name = h.routeName(routes[i], len(routes) > 1)
	}
	return routes
}

// joined makes one route of entries with the same answer, and one of each that has conditions
// unless all requests that reach it get the answer.
func joined(entries []entry) []source.Route {
	all := source.Route{Place: entries[0].place, CORS: entries[0].cors}
	if len(entries) == 1 {
		all.Name = entries[0].name
	}
	every := slices.ContainsFunc(entries, entry.takesAll)
	var routes []source.Route
	for _, e := range entries {
		if every || len(e.conditions) == 0 {
			all.Findings = append(all.Findings, e.findings...)
			all.Paths = append(all.Paths, e.path)
			continue
		}
		r := source.Route{Name: e.name, Place: e.place, Conditions: e.conditions, CORS: e.cors, Findings: e.findings}
		if !e.everyPath {
			r.Paths = []source.Path{e.path}
		}
		routes = append(routes, r)
	}
	if every {
		all.Paths = nil
	}
	if every || len(all.Paths) > 0 {
		routes = append(routes, all)
	}
	return routes
}

// routeName is the name of the route, or of h and its first path.
func (h *host) routeName(r source.Route, several bool) string {
	name, _ := cutPort(h.name)
	if r.Name == "" && several && len(r.Paths) > 0 {
		return name + r.Paths[0].Text.Text
	}
	return cmp.Or(r.Name, name)
}
