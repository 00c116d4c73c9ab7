package kong

import (
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

// kubernetes reads the routes of objects: those of Kong, if they or their services name
// plugins or their class says so.
func (c *config) kubernetes(docs []tree.Node) {
	services := map[string][]scope{}
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && o.Group == "" && o.Kind == "Service" {
			services[o.Namespace+"/"+o.Name] = annotated(o)
		}
	}
	if len(c.plugins) == 0 {
		return
	}
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && o.Kind == "Ingress" {
			c.ingress(o, services)
		}
	}
	routes := gatewayapi.Routes(docs, annotations{c, services})
	for _, r := range routes.Routes {
		if r.CORS != nil {
			c.result.Routes = append(c.result.Routes, r)
		}
	}
}

// ingress reads an Ingress.
func (c *config) ingress(o tree.Object, services map[string][]scope) {
	class := o.Field("spec", "ingressClassName").String() + o.Field("metadata", "annotations", "kubernetes.io/ingress.class").String()
	own := annotated(o)
	for _, rule := range o.Field("spec", "rules").Items() {
		for _, p := range rule.Field("http", "paths").Items() {
			service := services[o.Namespace+"/"+p.Field("backend", "service", "name").String()]
			if len(own) == 0 && len(service) == 0 && !strings.Contains(class, "kong") {
				continue
			}
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
	l := lane{scopes: annotated(r.Route)}
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
