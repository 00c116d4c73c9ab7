package kong

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// annotation names the plugins of an object.
const annotation = "konghq.com/plugins"

// annotated returns the scopes of the plugins that an object names: of its own namespace or
// "namespace:name", and of the cluster.
func annotated(o tree.Object) []scope {
	var all []scope
	for _, name := range listed(o.Field("metadata", "annotations", annotation)) {
		namespace, other, found := strings.Cut(name, ":")
		if !found {
			namespace, other = o.Namespace, name
		}
		all = append(all, pluginScope(namespace, other), pluginScope("", other))
	}
	return all
}

func pluginScope(namespace, name string) scope { return scope("KongPlugin " + namespace + "/" + name) }

// extended returns the scopes of the plugins that the filters of a rule of a HTTPRoute are: of its
// namespace alone, so that both that a name may stand for are the same.
func extended(rule tree.Node, namespace string) (all []scope) {
	for _, f := range rule.Field("filters").Items() {
		if ref := f.Field("extensionRef"); isPluginRef(ref) {
			s := pluginScope(namespace, ref.Field("name").String())
			all = append(all, s, s)
		}
	}
	return all
}

func isPluginRef(ref tree.Node) bool {
	return strings.HasSuffix(ref.Field("group").String(), "konghq.com") && ref.Field("kind").String() == "KongPlugin"
}

// references returns the scopes of the plugins that an object names in any way, two for each name.
func references(o tree.Object) []scope {
	all := annotated(o)
	for _, rule := range o.Field("spec", "rules").Items() {
		all = append(all, extended(rule, o.Namespace)...)
	}
	return all
}

// IsPlugin reports whether a document is a cors plugin for objects of Kubernetes.
func IsPlugin(doc tree.Node) bool {
	o, ok := tree.ObjectOf(doc)
	return ok && strings.HasSuffix(o.Group, "konghq.com") && o.Field("plugin").String() == pluginName
}

// object reads a KongPlugin, keeps a KongIngress, or tells of an object of Kong that it does not
// know.
func (c *config) object(o tree.Object) {
	switch o.Kind {
	case "KongPlugin", "KongClusterPlugin":
		p := plugin{name: o.Name, entity: o.Node, config: o.Field("config"), scope: pluginScope(o.Namespace, o.Name), whole: true, object: true}
		if o.Kind == "KongClusterPlugin" && o.Field("metadata", "labels", "global").True() {
			p.scope = everything
		}
		c.plugin(p)
	case "KongIngress":
		c.overrides[o.Namespace+"/"+o.Name] = o
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
		own := annotated(o)
		c.tellMissing(there, own, own, o.Field("metadata", "annotations", annotation))
		for _, rule := range o.Field("spec", "rules").Items() {
			scopes := extended(rule, o.Namespace)
			c.tellMissing(there, scopes, append(scopes, own...), rule.Field("filters"))
		}
	}
}

// tellMissing tells of those of some scopes, two for each name, that are not there. all are those
// of the same object.
func (c *config) tellMissing(there map[scope]bool, scopes, all []scope, at tree.Node) {
	has := slices.ContainsFunc(c.plugins, func(p *plugin) bool { return slices.Contains(all, p.scope) })
	for named := range slices.Chunk(scopes, 2) { // what a name may stand for
		if there[named[0]] || there[named[1]] {
			continue
		}
		_, name, _ := strings.Cut(string(named[0]), " ")
		fidelity, hint := source.Decide, "give the KongPlugin, too"
		what := "the plugin " + strings.TrimPrefix(name, "/") + " is not in the input; "
		if has {
			fidelity, hint = source.Dropped, ""
			what += "the object has a cors plugin, so this is of another kind"
		} else {
			what += "if it is a cors plugin, what it does is not imported"
		}
		f := at.Finding(fidelity, what, hint)
		if at.IsText() {
			f.Field = annotation
		}
		c.result.Findings = append(c.result.Findings, f)
	}
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
	ingresses := kubernetes.ServedBy(kubernetes.Kong, docs, func(i *kubernetes.Ingress) bool { return namesPlugins(i, services) })
	for _, i := range ingresses.Own {
		c.lanes = append(c.lanes, c.lanesOf(i, services)...)
	}
	for _, i := range ingresses.Others {
		for _, l := range c.lanesOf(i, nil) {
			l.scopes = nil
			c.lanes = append(c.lanes, l)
		}
	}
	c.ingresses = ingresses
	routes := gatewayapi.Routes(docs, annotations{c, services})
	c.result.Routes = append(c.result.Routes, routes.Routes...)
	c.result.Findings = append(c.result.Findings, routes.Findings...)
}

// namesPlugins reports whether an Ingress or one of its services names plugins.
func namesPlugins(i *kubernetes.Ingress, services map[string][]scope) bool {
	return len(annotated(i.Object)) > 0 || len(services[serviceOf(i, i.DefaultBackend())]) > 0 ||
		slices.ContainsFunc(i.Rules, func(rule kubernetes.Rule) bool {
			return slices.ContainsFunc(rule.Paths, func(p kubernetes.Path) bool { return len(services[serviceOf(i, p.Item.Field("backend"))]) > 0 })
		})
}

// serviceOf returns the namespace and the name of the service that a backend of an Ingress is.
func serviceOf(i *kubernetes.Ingress, backend tree.Node) string {
	return i.Namespace + "/" + kubernetes.ServiceOf(backend)
}

// lanesOf returns the lanes of an Ingress: one for each path, and one for its default backend.
func (c *config) lanesOf(i *kubernetes.Ingress, services map[string][]scope) (all []lane) {
	laneAt := func(at, backend tree.Node) lane {
		return lane{
			route:  source.Route{Name: i.Name, Place: at.Place()},
			scopes: slices.Concat(annotated(i.Object), services[serviceOf(i, backend)], []scope{everything}),
		}
	}
	for _, rule := range i.Rules {
		for _, p := range rule.Paths {
			l := laneAt(p.Item, p.Item.Field("backend"))
			if host := rule.Host.Text; host != "" {
				l.route.Hosts = append([]string{host}, listed(i.Annotations.Field("konghq.com/host-aliases"))...)
			}
			l.route.Paths = ingressPath(p)
			all = append(all, c.conditional(l, i))
		}
	}
	if backend := i.DefaultBackend(); backend.Exists() {
		all = append(all, c.conditional(laneAt(backend, backend), i))
	}
	return all
}

// conditional returns a lane with the conditions of its Ingress: its annotations, and the
// KongIngress that these name.
func (c *config) conditional(l lane, i *kubernetes.Ingress) lane {
	for _, f := range i.Annotations.Fields() {
		name, own := strings.CutPrefix(f.Key.Text, kubernetes.Kong.Prefix)
		header, isHeader := strings.CutPrefix(name, "headers.")
		switch {
		case name == "override" && own, f.Key.Text == "configuration.konghq.com":
			c.override(&l, i, f)
		case !own:
		case name == "methods", name == "snis":
			l.condition(f.Node, name+" "+f.String())
		case isHeader:
			l.condition(f.Node, "header "+header)
		case name == "regex-priority":
			c.setRegexPriority(&l, f.Node)
		}
	}
	return l
}

// override reads the KongIngress that an Ingress names.
func (c *config) override(l *lane, i *kubernetes.Ingress, named tree.Field) {
	at, ok := c.overrides[i.Namespace+"/"+named.String()]
	if !ok {
		f := named.Finding(source.Decide, "this KongIngress is not in the input; if it has conditions for requests, the policy is for the others, too", "give it, too")
		f.Field = named.Key.Text
		l.route.Findings = append(l.route.Findings, f)
		return
	}
	route := at.Field("route")
	l.conditions(route)
	c.setRegexPriority(l, route.Field("regex_priority"))
}

// setRegexPriority has the regexes of a lane count as a number says.
func (c *config) setRegexPriority(l *lane, n tree.Node) {
	for _, p := range l.route.Paths {
		if priority, err := strconv.Atoi(n.String()); err == nil && isRegex(p) {
			c.regexPriorities[p.Place] = priority
		}
	}
}

// listed returns the entries of a text with commas.
func listed(n tree.Node) (all []string) {
	for entry := range strings.SplitSeq(n.String(), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			all = append(all, entry)
		}
	}
	return all
}

// ingressPath is the path of a lane. Behind "/~" it is a regex.
func ingressPath(p kubernetes.Path) []source.Path {
	expr, isRegex := strings.CutPrefix(p.Text.Text, "/~")
	switch {
	case p.Text.Text == "":
		return nil
	case isRegex && p.Kind == source.StringPath:
		return []source.Path{regexPath(p.Text, expr)}
	}
	return []source.Path{p.Path}
}

// annotations reads the plugins that HTTPRoutes and their services name.
type annotations struct {
	*config
	services map[string][]scope
}

// Key is the same for all listeners.
func (annotations) Key(gatewayapi.Rule, gatewayapi.Attachment) string { return "" }

// Answer returns what the plugins of a rule do.
func (a annotations) Answer(r gatewayapi.Rule, at gatewayapi.Attachment) gatewayapi.Answer {
	acting := a.acting(r)
	answer := gatewayapi.Filters{}.Answer(r, at)
	if acting[0] != nil {
		route := a.with(source.Route{}, acting[0])
		answer = gatewayapi.Answer{CORS: route.CORS, Findings: route.Findings}
	}
	if slices.ContainsFunc(acting, func(p *plugin) bool { return p != acting[0] }) {
		answer.Findings = append(answer.Findings, r.Field("backendRefs").Finding(source.Decide,
			"the services of this rule name different plugins, which Kong's controller refuses: the policy has what the first one says", ""))
	}
	return answer
}

// acting returns the plugin that holds for each backend of a rule, or without backends for the
// rule: one of its filters or its route, of the service, or of everything.
func (a annotations) acting(r gatewayapi.Rule) (all []*plugin) {
	own := append(extended(r.Node, r.Route.Namespace), annotated(r.Route)...)
	for _, backend := range r.Field("backendRefs").Items() {
		service := cmp.Or(backend.Field("namespace").String(), r.Route.Namespace) + "/" + backend.Field("name").String()
		all = append(all, a.effective(lane{scopes: slices.Concat(own, a.services[service], []scope{everything})}))
	}
	if len(all) == 0 {
		all = append(all, a.effective(lane{scopes: append(own, everything)}))
	}
	return all
}
