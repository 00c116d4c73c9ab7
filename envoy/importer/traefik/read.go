// Package traefik reads what the middlewares of Traefik say about CORS, and which routers
// use them.
package traefik

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
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

// middleware is one that has to do with CORS, or a chain of others.
type middleware struct {
	name, namespace string
	place           source.Place
	headers         settings
	chain           []string
	redirects       bool            // it is plain, and redirects to HTTPS
	names           *source.Finding // it is plain, and a plugin that names CORS
	provider        provider
}

type reader struct {
	config      source.Config
	middlewares []*middleware
	plain       []*middleware // those that have nothing to do with CORS
	routers     []*router
	entryPoints entryPoints
	used        map[*middleware]bool
	ruled       map[source.Place]bool // of routers with a rule
	nameless    int                   // routers without one
}

// Read reads documents: objects of Kubernetes, files of Traefik, compose files with labels,
// and parts of them.
func Read(docs []tree.Node) source.Config {
	r := collect(docs)
	served := r.ingresses(docs)
	r.route()
	r.config.Findings = append(r.config.Findings, served.Beside("Traefik", r.config.Routes)...)
	r.httpRoutes(docs)
	r.unused()
	return r.config
}

// choose takes the first router with a rule, since these are in the order of their priorities,
// and of the Gateway API's routes behind them the one with the longest path.
func (r *reader) choose(matching []source.Match) int {
	if r.ruled[matching[0].Route.Place] {
		return 0
	}
	return source.Longest(matching)
}

// collect finds the middlewares and routers of documents.
func collect(docs []tree.Node) *reader {
	r := &reader{entryPoints: entryPoints{}, used: map[*middleware]bool{}, ruled: map[source.Place]bool{}}
	r.config.Choose = r.choose
	for _, doc := range docs {
		o, isObject := tree.ObjectOf(doc)
		switch {
		case isObject && isGroup(o.Group) && o.Kind == "Middleware":
			r.middleware(o.Name, o.Namespace, o.Field("spec"))
		case isObject && isGroup(o.Group) && o.Kind == "IngressRoute":
			r.ingressRoute(o)
		case isObject && (isGroup(o.Group) || o.Kind == "HTTPRoute" || o.Kind == "Ingress"):
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
				plain := &middleware{name: m.Key.Text, place: m.Place()}
				plain.readPlain(m.Node)
				r.plain = append(r.plain, plain)
			}
			r.walk(f.Node, f.Key.Text)
		case key == "routers" && f.IsMapping():
			for _, rt := range f.Fields() {
				if !strings.HasSuffix(rt.Key.Text, "@internal") { // which Traefik has for itself
					r.fileRouter(rt)
				}
			}
		case key == "entrypoints" && f.IsMapping():
			for _, e := range f.Fields() {
				http := field(e.Node, "http")
				r.entryPoints[e.Key.Text] = entryPoint{
					middlewares: names(field(http, "middlewares")), redirects: field(http, "redirections").Exists(), byDefault: field(e.Node, "asDefault").True(),
				}
			}
		case key == "spec": // a piece of an object
			before := len(r.middlewares)
			r.walk(f.Node, name)
			for _, m := range r.middlewares[before:] {
				m.provider = ofObjects
			}
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
	m := &middleware{name: name, namespace: namespace, place: spec.Place(), provider: ofObjects}
	switch chain := spec.Field("chain", "middlewares"); {
	case chain.IsList():
		for _, item := range chain.Items() {
			m.chain = append(m.chain, reference(item, namespace))
		}
	case hasCORS(spec.Field("headers")):
		m.headers, m.place = settingsOf(spec.Field("headers")), spec.Field("headers").Place()
	default:
		m.readPlain(spec)
		r.plain = append(r.plain, m)
		return
	}
	r.middlewares = append(r.middlewares, m)
}

// readPlain reads a middleware that has nothing to do with CORS, unless it is a plugin that does.
func (m *middleware) readPlain(n tree.Node) {
	m.redirects = field(n, "redirectScheme").Exists()
	for _, p := range field(n, "plugin").Fields() {
		named := fields.NamesOfCORS(p.Node)
		for _, f := range append([]tree.Field{p}, p.Fields()...) {
			if namesCORS(f.Key.Text) {
				named = append(named, f.Node)
			}
		}
		if len(named) > 0 {
			m.tellPlugin(p.Key.Text, named[0].Text())
		}
	}
}

// namesCORS reports whether the name of a plugin, or of a field of one, tells that it is about CORS.
func namesCORS(name string) bool {
	plain := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	return slices.ContainsFunc([]string{"cors", "alloworigin", "allowedorigin", "accesscontrol"}, func(word string) bool { return strings.Contains(plain, word) })
}

func (m *middleware) tellPlugin(name string, at source.Text) {
	m.names = &source.Finding{
		Fidelity: source.Decide, Place: at.Place, Field: "plugin", Value: name,
		Message: "this plugin is about CORS: what it does is not imported", Hint: "write a policy that says what is meant, and remove this",
	}
}

// reference returns the name that an object has across namespaces, or one of another provider as
// it is (makeMiddlewareKeys).
func reference(n tree.Node, namespace string) string {
	name := n.Field("name").String()
	switch {
	case n.IsText():
		return n.String()
	case strings.Contains(name, "@"):
		return name
	}
	return cmp.Or(n.Field("namespace").String(), namespace) + "-" + name
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
		rt := &router{
			name: o.Name, place: n.Place(), provider: ofObjects, rule: n.Field("match").Text(),
			entryPoints: names(o.Field("spec", "entryPoints")), tls: o.Field("spec", "tls").Exists(), parents: parents(o.Field("spec", "parentRefs")),
		}
		for _, m := range n.Field("middlewares").Items() {
			rt.middlewares = append(rt.middlewares, reference(m, o.Namespace))
		}
		rt.rank(n.Field("priority").String())
		r.routers = append(r.routers, rt)
	}
}

func (r *reader) fileRouter(f tree.Field) {
	rt := &router{
		name: f.Key.Text, place: f.Key.Place, provider: providerOf(f.Key.Text, ofFile), rule: field(f.Node, "rule").Text(), middlewares: names(field(f.Node, "middlewares")),
		entryPoints: names(field(f.Node, "entryPoints")), tls: field(f.Node, "tls").Exists(), parents: parents(field(f.Node, "parentRefs")),
	}
	rt.rank(field(f.Node, "priority").String())
	r.routers = append(r.routers, rt)
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

// httpRoutes reads the routes of the Gateway API, if any of them has a middleware.
func (r *reader) httpRoutes(docs []tree.Node) {
	routes := slices.DeleteFunc(slices.Clone(docs), func(doc tree.Node) bool {
		o, ok := tree.ObjectOf(doc)
		return !ok || o.Group != gatewayapi.Group && o.Kind != "HTTPRoute"
	})
	if slices.ContainsFunc(routes, refersToMiddleware) {
		found := gatewayapi.Routes(routes, filters{r})
		r.config.Routes = append(r.config.Routes, found.Routes...)
		r.config.Findings = append(r.config.Findings, found.Findings...)
	}
}

// filters reads the middlewares that the rules of HTTPRoutes refer to.
type filters struct{ *reader }

// Key is the same for all listeners.
func (filters) Key(gatewayapi.Rule, gatewayapi.Attachment) string { return "" }

// Answer returns what the middlewares of a rule do.
func (f filters) Answer(rule gatewayapi.Rule, at gatewayapi.Attachment) gatewayapi.Answer {
	a := f.answer(rule.Place(), extensions(rule.Node, rule.Route.Namespace), ofObjects)
	if a.acting == nil {
		standard := gatewayapi.Filters{}.Answer(rule, at)
		return gatewayapi.Answer{CORS: standard.CORS, Findings: append(a.findings, standard.Findings...)}
	}
	return gatewayapi.Answer{CORS: a.cors, Findings: a.findings}
}

// tell adds a finding that belongs to no route.
func (r *reader) tell(f source.Fidelity, at source.Text, field, message, hint string) {
	r.config.Findings = append(r.config.Findings, source.Finding{Fidelity: f, Place: at.Place, Field: field, Value: at.Text, Message: message, Hint: hint})
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
