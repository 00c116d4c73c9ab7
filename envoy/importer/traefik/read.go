// Package traefik reads what the middlewares of Traefik say about CORS, and which routers
// use them.
package traefik

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Claims reports whether a document is of Traefik, or has its headers or labels anywhere.
func Claims(doc tree.Node) bool {
	if o, ok := tree.ObjectOf(doc); ok {
		return isGroup(o.Group) || usesMiddleware(doc) || refersToMiddleware(doc)
	}
	r := collect([]tree.Node{doc})
	return len(r.middlewares)+len(r.routers)+len(r.config.Findings) > 0
}

func isGroup(group string) bool { return group == "traefik.io" || group == "traefik.containo.us" }

const useAnnotation = "traefik.ingress.kubernetes.io/router.middlewares"

func usesMiddleware(doc tree.Node) bool {
	return doc.Field("metadata", "annotations").Field(useAnnotation).Exists()
}

// middleware is one that has to do with CORS, or a chain of others.
type middleware struct {
	name, namespace string
	place           source.Place
	headers         settings
	chain           []string
}

// router is what sends requests through middlewares.
type router struct {
	name        string
	place       source.Place
	rule        source.Text
	hosts       []string // of an object that has no rule
	paths       []source.Path
	conditions  []source.Text
	priority    int
	middlewares []string
	namespace   string
	every       bool // it is an entry point, which every router has before it
}

type reader struct {
	config      source.Config
	middlewares []*middleware
	plain       []*middleware // those that have nothing to do with CORS
	routers     []*router
	used        map[*middleware]bool
	ruled       map[source.Place]bool // of routers with a rule
}

// Read reads documents: objects of Kubernetes, files of Traefik, compose files with labels,
// and parts of them.
func Read(docs []tree.Node) source.Config {
	r := collect(docs)
	r.used, r.ruled = map[*middleware]bool{}, map[source.Place]bool{}
	slices.SortStableFunc(r.routers, func(a, b *router) int { return cmp.Compare(b.priority, a.priority) })
	for _, rt := range r.routers {
		r.router(rt)
	}
	r.unused()
	return r.config
}

// choose takes the longest path up to the first router with a rule, since these are in the order
// of their priorities.
func (r *reader) choose(matching []source.Match) int {
	best := 0
	for i, m := range matching {
		if m.Length > matching[best].Length {
			best = i
		}
		if r.ruled[m.Route.Place] {
			break
		}
	}
	return best
}

// collect finds the middlewares and routers of documents.
func collect(docs []tree.Node) *reader {
	r := &reader{}
	r.config.Choose = r.choose
	for _, doc := range docs {
		o, isObject := tree.ObjectOf(doc)
		switch {
		case isObject && isGroup(o.Group) && o.Kind == "Middleware":
			r.middleware(o.Name, o.Namespace, o.Field("spec"))
		case isObject && isGroup(o.Group) && o.Kind == "IngressRoute":
			r.ingressRoute(o)
		case isObject && isGroup(o.Group):
		case isObject && o.Kind == "HTTPRoute" && refersToMiddleware(doc):
			r.httpRoute(o)
		case isObject && usesMiddleware(doc):
			r.ingress(o)
		default:
			r.labels(doc)
			r.walk(doc, doc.Field("metadata", "name").String())
		}
	}
	return r
}

// walk finds parts of Traefik's own files, wherever a fragment begins. name is what the
// mapping is called.
func (r *reader) walk(n tree.Node, name string) {
	if hasCORS(n) {
		r.middlewares = append(r.middlewares, &middleware{name: name, place: n.Place(), headers: settingsOf(n)})
		return
	}
	for _, f := range n.Fields() {
		key := strings.ToLower(f.Key.Text)
		switch {
		case key == "headers" && hasCORS(f.Node):
			r.middlewares = append(r.middlewares, &middleware{name: name, place: f.Place(), headers: settingsOf(f.Node)})
		case key == "chain" && field(f.Node, "middlewares").IsList():
			r.middlewares = append(r.middlewares, &middleware{name: name, place: f.Place(), chain: names(field(f.Node, "middlewares"))})
		case key == "middlewares" && f.IsMapping():
			for _, m := range f.Fields() {
				r.plain = append(r.plain, &middleware{name: m.Key.Text})
			}
			r.walk(f.Node, f.Key.Text)
		case key == "routers" && f.IsMapping():
			for _, rt := range f.Fields() {
				r.fileRouter(rt)
			}
		case key == "entrypoints" && f.IsMapping():
			for _, e := range f.Fields() {
				if list := e.Field("http", "middlewares"); list.IsList() {
					r.routers = append(r.routers, &router{name: e.Key.Text, place: list.Place(), middlewares: names(list), every: true})
				}
			}
		case key == "spec":
			r.walk(f.Node, name)
		default:
			r.walk(f.Node, f.Key.Text)
		}
	}
	for _, item := range n.Items() {
		r.walk(item, cmp.Or(item.Field("name").String(), item.Field("metadata", "name").String()))
	}
}

// field is Field without case, as Traefik reads its files.
func field(n tree.Node, name string) tree.Node {
	for _, f := range n.Fields() {
		if strings.EqualFold(f.Key.Text, name) {
			return f.Node
		}
	}
	return n.Field(name)
}

func (r *reader) middleware(name, namespace string, spec tree.Node) {
	m := &middleware{name: name, namespace: namespace, place: spec.Place()}
	switch chain := spec.Field("chain", "middlewares"); {
	case chain.IsList():
		for _, item := range chain.Items() {
			m.chain = append(m.chain, reference(item, namespace))
		}
	case hasCORS(spec.Field("headers")):
		m.headers, m.place = settingsOf(spec.Field("headers")), spec.Field("headers").Place()
	default:
		r.plain = append(r.plain, m)
		return
	}
	r.middlewares = append(r.middlewares, m)
}

// reference returns the name that an object has across namespaces.
func reference(n tree.Node, namespace string) string {
	if n.IsText() {
		return n.String()
	}
	return cmp.Or(n.Field("namespace").String(), namespace) + "-" + n.Field("name").String()
}

func names(list tree.Node) (all []string) {
	for _, item := range list.Items() {
		all = append(all, item.String())
	}
	if list.IsText() {
		all = append(all, splitList(list.String())...)
	}
	return all
}

func splitList(text string) (all []string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			all = append(all, item)
		}
	}
	return all
}

func (r *reader) ingressRoute(o tree.Object) {
	for _, n := range o.Field("spec", "routes").Items() {
		rt := &router{name: o.Name, namespace: o.Namespace, place: n.Place(), rule: n.Field("match").Text()}
		for _, m := range n.Field("middlewares").Items() {
			rt.middlewares = append(rt.middlewares, reference(m, o.Namespace))
		}
		rt.rank(n.Field("priority").String())
		r.routers = append(r.routers, rt)
	}
}

// rank is the priority: the length of the rule, if none is set.
func (rt *router) rank(text string) {
	rt.priority = len(rt.rule.Text)
	if _, err := fmt.Sscan(text, &rt.priority); err != nil || rt.priority == 0 {
		rt.priority = len(rt.rule.Text)
	}
}

func (r *reader) fileRouter(f tree.Field) {
	rt := &router{name: f.Key.Text, place: f.Key.Place, rule: field(f.Node, "rule").Text(), middlewares: names(field(f.Node, "middlewares"))}
	rt.rank(field(f.Node, "priority").String())
	r.routers = append(r.routers, rt)
}

// ingress reads an Ingress whose annotation names middlewares.
func (r *reader) ingress(o tree.Object) {
	use := o.Field("metadata", "annotations").Field(useAnnotation)
	rules := o.Field("spec", "rules").Items()
	if len(rules) == 0 {
		r.routers = append(r.routers, &router{name: o.Name, place: use.Place(), middlewares: splitList(use.String())})
	}
	for _, rule := range rules {
		rt := &router{name: o.Name, place: use.Place(), middlewares: splitList(use.String())}
		if host := rule.Field("host").String(); host != "" {
			rt.hosts = []string{host}
		}
		for _, item := range rule.Field("http", "paths").Items() {
			p := source.Path{Text: item.Field("path").Text(), Kind: source.StringPath}
			switch item.Field("pathType").String() {
			case "Exact":
				p.Kind = source.ExactPath
			case "Prefix":
				p.Kind = source.Segments
			}
			if p.Text.Text != "" {
				rt.paths = append(rt.paths, p)
			}
		}
		r.routers = append(r.routers, rt)
	}
}

// refersToMiddleware reports whether a route of the Gateway API has a filter that is a
// middleware.
func refersToMiddleware(doc tree.Node) bool {
	return slices.ContainsFunc(doc.Field("spec", "rules").Items(), func(rule tree.Node) bool { return len(extensions(rule, "")) > 0 })
}

// extensions returns the middlewares that a rule of an HTTPRoute refers to.
func extensions(rule tree.Node, namespace string) (names []string) {
	for _, f := range rule.Field("filters").Items() {
		if ref := f.Field("extensionRef"); isGroup(ref.Field("group").String()) && ref.Field("kind").String() == "Middleware" {
			names = append(names, namespace+"-"+ref.Field("name").String())
		}
	}
	return names
}

// httpRoute reads a route of the Gateway API.
func (r *reader) httpRoute(o tree.Object) {
	var hosts []string
	for _, h := range o.Field("spec", "hostnames").Items() {
		hosts = append(hosts, h.String())
	}
	for _, rule := range o.Field("spec", "rules").Items() {
		matches := rule.Field("matches").Items()
		if len(matches) == 0 {
			matches = []tree.Node{{}}
		}
		for _, m := range matches {
			rt := &router{name: o.Name, namespace: o.Namespace, place: rule.Place(), hosts: hosts, middlewares: extensions(rule, o.Namespace)}
			if p := m.Field("path"); p.Exists() {
				path := source.Path{Text: p.Field("value").Text()}
				switch p.Field("type").String() {
				case "Exact":
					path.Kind = source.ExactPath
				case "RegularExpression":
					path.Kind = source.RegexPath
				}
				rt.paths = []source.Path{path}
			}
			for _, other := range m.Others("path") {
				rt.conditions = append(rt.conditions, source.Text{Place: other.Place(), Text: other.Key.Text})
			}
			r.routers = append(r.routers, rt)
		}
	}
}

// find returns the middleware that a router names: with the provider behind "@", and with
// the namespace in front if it is an object.
func find(list []*middleware, name string) *middleware {
	name, _, _ = strings.Cut(name, "@")
	for _, m := range list {
		if strings.EqualFold(m.name, name) && m.namespace == "" || m.namespace+"-"+m.name == name || m.namespace == "" && "-"+m.name == name {
			return m
		}
	}
	for _, m := range list {
		if cmp.Or(m.namespace, "default")+"-"+m.name == name || m.name == strings.TrimPrefix(name, "default-") && m.namespace == "" {
			return m
		}
	}
	return nil
}

// acting returns the middlewares with CORS that names lead to, outermost first.
func (r *reader) acting(names []string, depth int) (all []*middleware) {
	for _, name := range names {
		m := find(r.middlewares, name)
		switch {
		case m == nil || depth > 20:
		case m.chain != nil:
			r.used[m] = true
			all = append(all, r.acting(m.chain, depth+1)...)
		case !slices.Contains(all, m):
			all = append(all, m)
		}
	}
	return all
}

// missing returns the names that lead to no middleware of the input.
func (r *reader) missing(names []string, depth int) (left []string) {
	for _, name := range names {
		switch m := find(r.middlewares, name); {
		case m == nil && find(r.plain, name) == nil:
			left = append(left, name)
		case m != nil && depth <= 20:
			left = append(left, r.missing(m.chain, depth+1)...)
		}
	}
	return left
}

// noCORS finds names of middlewares that probably do something else.
var noCORS = regexp.MustCompile(`(?i)auth|compress|gzip|strip|prefix|redirect|rate|limit|allow-?list|white-?list|retry|buffer|circuit|errors`)

// tellMissing tells of middlewares that are not in the input.
func (r *reader) tellMissing(rt *router, route *source.Route) {
	for _, name := range r.missing(rt.middlewares, 0) {
		f := source.Finding{
			Fidelity: source.Decide, Place: rt.place, Field: "middlewares", Value: name,
			Message: "this middleware is not in the input, so what it says about CORS is not known", Hint: "import it together with the router",
		}
		if noCORS.MatchString(name) {
			f.Fidelity = source.Differs
		}
		route.Findings = append(route.Findings, f)
	}
}

func (r *reader) router(rt *router) {
	acting := r.acting(rt.middlewares, 0)
	route := source.Route{Name: rt.name, Place: rt.place}
	if len(acting) > 0 {
		for _, m := range acting {
			r.used[m] = true
		}
		route.CORS, route.Findings = acting[0].cors()
		if len(acting) > 1 {
			route.Findings = append(route.Findings, source.Finding{
				Fidelity: source.Decide, Place: rt.place, Field: "middlewares", Value: acting[1].name,
				Message: "the router has several middlewares with CORS: the policy has what the first one, " + acting[0].name + ", says",
			})
		}
	}
	r.tellMissing(rt, &route)
	switch {
	case rt.every:
		if route.CORS != nil || len(route.Findings) > 0 {
			r.config.Routes = append(r.config.Routes, route)
		}
	case rt.rule.Text == "":
		route.Hosts, route.Paths, route.Conditions = rt.hosts, rt.paths, rt.conditions
		r.config.Routes = append(r.config.Routes, route)
	default:
		r.ruled[route.Place] = true
		r.config.Routes = append(r.config.Routes, routesOf(route, rt.rule)...)
	}
}

// unused tells of the middlewares that no router has.
func (r *reader) unused() {
	var left []*middleware
	for _, m := range r.middlewares {
		if m.headers != nil && !r.used[m] {
			left = append(left, m)
		}
	}
	for _, m := range left {
		if len(r.routers) > 0 {
			r.config.Findings = append(r.config.Findings, source.Finding{
				Fidelity: source.Dropped, Place: m.place, Field: "middlewares", Value: m.name,
				Message: "no router in the input uses this middleware: it does nothing, and there is no policy for it",
			})
			continue
		}
		route := source.Route{Name: m.name, Place: m.place}
		route.CORS, route.Findings = m.cors()
		f := source.Finding{
			Fidelity: source.Differs, Place: m.place, Field: "middlewares", Value: m.name,
			Message: "no router is in the input, so it is not known which requests go through this middleware: the policy is for every host",
			Hint:    "import it together with the routers that use it, or write hosts into the policy",
		}
		if len(left) > 1 {
			f.Fidelity = source.Decide
		}
		route.Findings = append(route.Findings, f)
		r.config.Routes = append(r.config.Routes, route)
	}
}
