package kong

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// annotation names the plugins of an object.
const annotation = "konghq.com/plugins"

// annotated returns the scopes of the plugins that an object names: of its own namespace or
// "namespace:name", and of the cluster.
func annotated(o tree.Object) []scope {
	var all []scope
	text := o.Field("metadata", "annotations", annotation).String()
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		namespace, other, found := strings.Cut(name, ":")
		if !found {
			namespace, other = o.Namespace, name
		}
		all = append(all, pluginScope(namespace, other), pluginScope("", other))
	}
	return all
}

func pluginScope(namespace, name string) scope { return scope("KongPlugin " + namespace + "/" + name) }

// object reads a KongPlugin, or tells of an object of Kong that it does not know.
func (c *config) object(o tree.Object) {
	switch o.Kind {
	case "KongPlugin", "KongClusterPlugin":
		p := plugin{name: o.Name, entity: o.Node, config: o.Field("config"), scope: pluginScope(o.Namespace, o.Name), whole: true, object: true}
		if o.Kind == "KongClusterPlugin" && o.Field("metadata", "labels", "global").True() {
			p.scope = everything
		}
		c.plugin(p)
	case "KongPluginBinding":
		c.tell(source.Decide, o.Node, "a KongPluginBinding is not read: what it binds is imported without hosts and paths", "write them into the policies")
	}
}

// missing tells of plugins that objects name and the input does not have. An object that
// has a cors plugin has no second one.
func (c *config) missing(docs []tree.Node) {
	there := map[scope]bool{}
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && (o.Kind == "KongPlugin" || o.Kind == "KongClusterPlugin") {
			there[pluginScope(o.Namespace, o.Name)] = true
		}
	}
	for _, doc := range docs {
		o, ok := tree.ObjectOf(doc)
		if !ok {
			continue
		}
		scopes := annotated(o)
		has := slices.ContainsFunc(c.plugins, func(p *plugin) bool { return slices.Contains(scopes, p.scope) })
		for named := range slices.Chunk(scopes, 2) { // what a name may stand for
			if !there[named[0]] && !there[named[1]] {
				c.tellMissing(o, named[0], has)
			}
		}
	}
}

func (c *config) tellMissing(o tree.Object, named scope, hasAnother bool) {
	_, name, _ := strings.Cut(string(named), " ")
	fidelity, hint := source.Decide, "give the KongPlugin, too"
	what := "the plugin " + strings.TrimPrefix(name, "/") + " is not in the input; "
	if hasAnother {
		fidelity, hint = source.Dropped, ""
		what += "the object has a cors plugin, so this is of another kind"
	} else {
		what += "if it is a cors plugin, what it does is not imported"
	}
	at := o.Field("metadata", "annotations", annotation)
	c.result.Findings = append(c.result.Findings, source.Finding{Fidelity: fidelity, Place: at.Place(), Field: annotation, Value: at.String(), Message: what, Hint: hint})
}

// kubernetes reads the routes of objects. Those without a plugin count, too: a plugin of
// another route does not hold for them.
func (c *config) kubernetes(docs []tree.Node) {
	services := map[string][]scope{}
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && o.Group == "" && o.Kind == "Service" {
			services[o.Namespace+"/"+o.Name] = annotated(o)
		}
	}
	c.missing(docs)
	if len(c.plugins) == 0 {
		return
	}
	var ingresses []tree.Object
	classes := map[string]bool{"": true} // those of Kong
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && o.Kind == "Ingress" {
			ingresses = append(ingresses, o)
			classes[classOf(o)] = classes[classOf(o)] || strings.Contains(classOf(o), "kong") || namesPlugins(o, services)
		}
	}
	for _, o := range ingresses {
		if classes[classOf(o)] {
			c.ingress(o, services)
		}
	}
	routes := gatewayapi.Routes(docs, annotations{c, services})
	c.result.Routes = append(c.result.Routes, routes.Routes...)
	c.result.Findings = append(c.result.Findings, routes.Findings...)
}

func classOf(o tree.Object) string {
	return o.Field("spec", "ingressClassName").String() + o.Field("metadata", "annotations", "kubernetes.io/ingress.class").String()
}

// namesPlugins reports whether an Ingress or one of its services names plugins.
func namesPlugins(o tree.Object, services map[string][]scope) bool {
	return len(annotated(o)) > 0 || slices.ContainsFunc(o.Field("spec", "rules").Items(), func(rule tree.Node) bool {
		return slices.ContainsFunc(rule.Field("http", "paths").Items(), func(p tree.Node) bool { return len(services[serviceOf(o, p)]) > 0 })
	})
}

// serviceOf returns the namespace and the name of the service behind a path of an Ingress.
func serviceOf(o tree.Object, path tree.Node) string {
	return o.Namespace + "/" + path.Field("backend", "service", "name").String()
}

// ingress reads an Ingress.
func (c *config) ingress(o tree.Object, services map[string][]scope) {
	own := annotated(o)
	for _, rule := range o.Field("spec", "rules").Items() {
		for _, p := range rule.Field("http", "paths").Items() {
			service := services[serviceOf(o, p)]
			l := lane{route: source.Route{Name: o.Name, Place: p.Place()}, scopes: append(append(append([]scope{}, own...), service...), everything)}
			if host := rule.Field("host").String(); host != "" {
				l.route.Hosts = []string{host}
			}
			for alias := range strings.SplitSeq(o.Field("metadata", "annotations", "konghq.com/host-aliases").String(), ",") {
				if alias = strings.TrimSpace(alias); alias != "" && len(l.route.Hosts) > 0 {
					l.route.Hosts = append(l.route.Hosts, alias)
				}
			}
			l.route.Paths = ingressPath(p)
			if m := o.Field("metadata", "annotations", "konghq.com/methods"); m.Exists() {
				l.condition(m, "methods "+m.String())
			}
			c.lanes = append(c.lanes, l)
		}
	}
}

// ingressPath reads the path of an Ingress. Behind "/~" it is a regex.
func ingressPath(p tree.Node) []source.Path {
	path := p.Field("path")
	if !path.Exists() {
		return nil
	}
	kind := source.StringPath
	switch p.Field("pathType").String() {
	case "Prefix":
		kind = source.Segments
	case "Exact":
		kind = source.ExactPath
	default:
		if expr, isRegex := strings.CutPrefix(path.String(), "/~"); isRegex {
			return []source.Path{regexPath(path, expr)}
		}
	}
	return []source.Path{{Text: path.Text(), Kind: kind}}
}

// annotations reads the plugins that HTTPRoutes and their services name.
type annotations struct {
	*config
	services map[string][]scope
}

// Key is the same for all listeners.
func (annotations) Key(gatewayapi.Rule, gatewayapi.Attachment) string { return "" }

// Answer returns what the plugins of a rule do.
func (a annotations) Answer(r gatewayapi.Rule, _ gatewayapi.Attachment) gatewayapi.Answer {
	l := lane{scopes: append(annotated(r.Route), everything)}
	for _, backend := range r.Field("backendRefs").Items() {
		l.scopes = append(l.scopes, a.services[r.Route.Namespace+"/"+backend.Field("name").String()]...)
	}
	p := a.effective(l)
	if p == nil {
		return gatewayapi.Answer{}
	}
	route := a.with(source.Route{}, p)
	return gatewayapi.Answer{CORS: route.CORS, Findings: route.Findings}
}
