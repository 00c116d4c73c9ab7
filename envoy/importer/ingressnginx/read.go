// Package ingressnginx reads what the annotations of ingress-nginx say about CORS.
package ingressnginx

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

const prefix = "nginx.ingress.kubernetes.io/"

// Claims reports whether a document is an Ingress of ingress-nginx, or has its
// annotations anywhere.
func Claims(doc tree.Node) bool {
	if doc.Field("kind").String() == "Ingress" && ownClass(doc) {
		return true
	}
	return len(annotated(doc)) > 0 || doc.Field("kind").String() == "Ingress" && hasForeign(doc.Field("metadata", "annotations"))
}

// ownClass reports whether an Ingress says that ingress-nginx serves it. A class without
// "nginx" in its name may be of any controller.
func ownClass(doc tree.Node) bool {
	class := cmp.Or(doc.Field("spec", "ingressClassName").String(),
		doc.Field("metadata", "annotations").Field(classAnnotation).String())
	return strings.Contains(class, "nginx")
}

const classAnnotation = "kubernetes.io/ingress.class"

// class is the class of an Ingress, or of the values of a chart.
func (i *ingress) class() (class tree.Node) {
	if class = i.annotations.Field(classAnnotation); class.Exists() {
		return class
	}
	for _, n := range i.around {
		for _, at := range []tree.Node{n.Field("spec", "ingressClassName"), n.Field("ingressClassName"), n.Field("className")} {
			if at.String() != "" {
				return at
			}
		}
	}
	return class
}

// others are controllers that people name their classes after.
var others = regexp.MustCompile(`(?i)\b(traefik|alb|kong|haproxy|istio|contour|gce|azure-application-gateway|ambassador|cilium|apisix|voyager|skipper|tyk|citrix|openshift)\b`)

// servedByOther reports whether another controller serves an Ingress, and tells. A class that
// is not known may be one of ingress-nginx.
func (r *reader) servedByOther(i *ingress) bool {
	class := i.class()
	controller, listed := r.controllers[class.String()]
	switch {
	case class.String() == "":
		return false
	case listed && strings.HasSuffix(controller, "/ingress-nginx"), !listed && strings.Contains(class.String(), "nginx"):
		return false
	case !listed && !others.MatchString(class.String()):
		if i.hasCORS() {
			r.tell(source.Decide, class, "the class does not say whether ingress-nginx serves this: read as if it did", "remove the policy if another controller does")
		}
		return false
	case i.hasCORS() || slices.ContainsFunc(snippetNames, func(name string) bool { return isAboutCORS(i.get(name).String()) }):
		r.tell(source.Decide, class, "by its class another controller serves this, for which the annotations of ingress-nginx do nothing: there is no policy",
			"import it without the class if ingress-nginx serves it")
	}
	return true
}

// annotated returns the mappings within n that have annotations of ingress-nginx, with
// what is around each.
func annotated(n tree.Node) (found []ingress) {
	for _, f := range n.Fields() {
		if strings.HasPrefix(f.Key.Text, prefix) {
			return []ingress{{annotations: n}}
		}
	}
	for _, f := range n.Fields() {
		for _, i := range annotated(f.Node) {
			i.around = append(i.around, n)
			found = append(found, i)
		}
	}
	for _, item := range n.Items() {
		found = append(found, annotated(item)...)
	}
	return found
}

// ingress is a set of annotations and where they hold.
type ingress struct {
	annotations tree.Node
	around      []tree.Node // the mappings that the annotations are in, inmost first
	name        string
	created     string
	rules       []rule
	// regex says that nginx takes the paths of this host for regexes.
	regex bool
}

// rule is what an Ingress says of one host; "" is every host.
type rule struct {
	host  source.Text
	paths []source.Path
}

// Read reads the Ingresses of ingress-nginx.
func Read(docs []tree.Node) source.Config {
	r := &reader{controllers: map[string]string{}}
	var ingresses []*ingress
	for _, doc := range docs {
		if doc.Field("kind").String() == "IngressClass" {
			r.controllers[doc.Field("metadata", "name").String()] = doc.Field("spec", "controller").String()
		}
		if doc.Field("kind").String() == "Ingress" && len(annotated(doc)) == 0 && (ownClass(doc) || hasForeign(doc.Field("metadata", "annotations"))) {
			ingresses = append(ingresses, &ingress{annotations: doc.Field("metadata", "annotations"), around: []tree.Node{doc}})
		}
		for _, i := range annotated(doc) {
			ingresses = append(ingresses, &i)
		}
	}
	for _, i := range ingresses {
		r.foreign(i)
	}
	ingresses = slices.DeleteFunc(ingresses, r.servedByOther)
	for _, i := range ingresses {
		i.surroundings(r)
	}
	// Of two Ingresses with the same path, the older one has it.
	slices.SortStableFunc(ingresses, func(a, b *ingress) int {
		if a.created == "" || b.created == "" {
			return 0
		}
		return strings.Compare(a.created, b.created)
	})
	for _, i := range ingresses {
		i.regex = slices.ContainsFunc(ingresses, func(other *ingress) bool { return other.enforcesRegex() && sharesHost(i, other) })
		r.ingress(i)
	}
	return r.config
}

type reader struct {
	config      source.Config
	controllers map[string]string // by the names of IngressClasses
}

func (r *reader) tell(f source.Fidelity, at tree.Node, message, hint string) {
	r.config.Findings = append(r.config.Findings, finding(f, at, message, hint))
}

// finding is one about a field, which is named without the prefix of annotations.
func finding(f source.Fidelity, at tree.Node, message, hint string) source.Finding {
	name := at.Name()
	if _, annotation, found := strings.Cut(at.Path(), prefix); found {
		name = annotation
	}
	value := at.String()
	if strings.Contains(value, "\n") {
		value = "" // a whole snippet says nothing
	}
	return source.Finding{Fidelity: f, Place: at.Place(), Field: name, Value: value, Message: message, Hint: hint}
}

// get returns an annotation.
func (i *ingress) get(name string) tree.Node { return i.annotations.Field(prefix + name) }

// place is where the annotations begin, else the Ingress.
func (i *ingress) place() source.Place {
	if at := i.annotations.Place(); at.Line > 0 {
		return at
	}
	return i.around[0].Place()
}

// surroundings finds the name, the hosts and the paths: of an Ingress, or of the values of
// a chart.
func (i *ingress) surroundings(r *reader) {
	for _, n := range i.around {
		i.name = cmp.Or(i.name, n.Field("metadata", "name").String(), n.Field("name").String())
		i.created = cmp.Or(i.created, n.Field("metadata", "creationTimestamp").String())
		if len(i.rules) > 0 {
			continue
		}
		for _, rules := range []tree.Node{n.Field("spec", "rules"), n.Field("rules")} {
			for _, item := range rules.Items() {
				i.rules = append(i.rules, rule{item.Field("host").Text(), paths(item.Field("http", "paths"))})
			}
		}
		for _, item := range n.Field("hosts").Items() { // as charts have it
			host := item.Text()
			if item.IsMapping() {
				host = item.Field("host").Text()
			}
			i.rules = append(i.rules, rule{host, paths(item.Field("paths"))})
		}
		for _, name := range []string{"host", "hostname"} {
			if host := n.Field(name); host.IsText() && len(i.rules) == 0 {
				i.rules = append(i.rules, rule{host.Text(), paths(n.Field("paths"))})
			}
		}
	}
	if len(i.rules) == 0 {
		i.rules = []rule{{}}
	}
	i.aliases(r)
}

// aliases adds the other names of a server.
func (i *ingress) aliases(r *reader) {
	alias := i.get("server-alias")
	for text := range strings.SplitSeq(alias.String(), ",") {
		text = strings.TrimSpace(text)
		switch {
		case text == "":
		case strings.HasPrefix(text, "~"):
			r.tell(source.Decide, alias, "a policy's hosts are names, not regexes: this one is left out", "")
		default:
			for _, have := range slices.Clone(i.rules) {
				i.rules = append(i.rules, rule{source.Text{Place: alias.Place(), Text: text}, have.paths})
			}
		}
	}
}

func paths(list tree.Node) (found []source.Path) {
	for _, item := range list.Items() {
		p := source.Path{Text: item.Text(), Kind: source.StringPath}
		if item.IsMapping() {
			p.Text = item.Field("path").Text()
		}
		switch kind := item.Field("pathType").String(); kind {
		case "Exact":
			p.Kind = source.ExactPath
		case "Prefix":
			p.Kind = source.Segments
		}
		if p.Text.Text == "" || p.Text.Text == "/" && p.Kind != source.ExactPath {
			return nil // every path
		}
		found = append(found, p)
	}
	return found
}

// enforcesRegex reports whether an Ingress makes nginx take the paths of its hosts for
// regexes (enforceRegexModifier).
func (i *ingress) enforcesRegex() bool {
	if i.get("use-regex").True() {
		return true
	}
	target := i.get("rewrite-target").String()
	return target != "" && slices.ContainsFunc(i.rules, func(r rule) bool {
		return len(r.paths) == 0 && target != "/" || slices.ContainsFunc(r.paths, func(p source.Path) bool { return p.Text.Text != target })
	})
}

func sharesHost(a, b *ingress) bool {
	return slices.ContainsFunc(a.rules, func(r rule) bool {
		return slices.ContainsFunc(b.rules, func(s rule) bool { return r.host.Text == s.host.Text })
	})
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9/_~.-]*$`)

// rest is what a path of a regex may end with, so that the whole is a prefix.
var rest = regexp.MustCompile(`(\(/\|\$\)\(\.\*\)|/?\(\.\*\)|/?\.\*)$`)

// asRegex returns the paths as nginx reads them if they are regexes: without case, and
// any text may follow.
func asRegex(list []source.Path) (found []source.Path) {
	for _, p := range list {
		text := rest.ReplaceAllString(p.Text.Text, "")
		segments := strings.HasPrefix(p.Text.Text[len(text):], "(/|$)")
		switch {
		case text == "" || text == "/":
			return nil
		case segments && plainPath.MatchString(text):
			p.Text.Text, p.Kind = text, source.Segments
		case plainPath.MatchString(text):
			p.Text.Text, p.Kind = text, source.StringPath
		default:
			p.Text.Text, p.Kind = "(?i)^"+p.Text.Text, source.RegexPath
		}
		found = append(found, p)
	}
	return found
}

// ingress reads one.
func (r *reader) ingress(i *ingress) {
	r.lookalikes(i)
	if i.get("canary").True() {
		if i.hasCORS() {
			r.tell(source.Dropped, i.get("canary"), "a canary takes the annotations of the main Ingress: its own about CORS do nothing", "")
		}
		return
	}
	base := source.Route{Name: i.name, Place: i.place()}
	base.CORS, base.Findings = r.cors(i)
	for _, rule := range i.rules {
		route := base
		if route.Name == "" {
			route.Name = rule.host.Text
		}
		if rule.host.Text != "" {
			route.Hosts = []string{strings.ToLower(rule.host.Text)}
		}
		route.Paths = rule.paths
		if i.regex {
			route.Paths = asRegex(rule.paths)
		}
		r.add(route)
	}
	r.snippets(i)
}

// add adds a route, or its host to one that is the same but for that.
func (r *reader) add(route source.Route) {
	for k := range r.config.Routes {
		same := &r.config.Routes[k]
		if same.Place == route.Place && len(same.Hosts) > 0 && len(route.Hosts) > 0 && slices.Equal(same.Paths, route.Paths) {
			same.Hosts = append(same.Hosts, route.Hosts...)
			return
		}
	}
	r.config.Routes = append(r.config.Routes, route)
}
