// Package ingressnginx reads what the annotations of ingress-nginx say about CORS.
package ingressnginx

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
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
	return slices.ContainsFunc(kubernetes.Ingresses([]tree.Node{doc}), func(i *kubernetes.Ingress) bool {
		return kubernetes.Classes{}.Serves(i.Class().String(), kubernetes.Nginx) == kubernetes.Yes
	})
}

// class is the class of an Ingress, or of the values of a chart.
func (i *ingress) class() (class tree.Node) {
	for _, n := range i.around {
		object := kubernetes.Ingress{Object: tree.Object{Node: n}, Annotations: i.Annotations}
		for _, at := range []tree.Node{object.Class(), n.Field("ingressClassName"), n.Field("className")} {
			if at.String() != "" {
				return at
			}
		}
	}
	return class
}

// servedByOther reports whether another controller serves an Ingress, and tells. A class that
// is not known may be one of ingress-nginx.
func (r *reader) servedByOther(i *ingress) bool {
	class := i.class()
	switch r.classes.Serves(class.String(), kubernetes.Nginx) {
	case kubernetes.Yes:
		return false
	case kubernetes.Maybe:
		if class.Exists() && i.hasCORS() {
			r.tell(source.Decide, class, "the class does not say whether ingress-nginx serves this: read as if it did", "remove the policy if another controller does")
		}
		return false
	}
	if i.hasCORS() || slices.ContainsFunc(snippetNames, func(name string) bool { return isAboutCORS(i.get(name).String()) }) {
		r.tell(source.Decide, class, "by its class another controller serves this, for which the annotations of ingress-nginx do nothing: there is no policy",
			"import it without the class if ingress-nginx serves it")
	}
	return true
}

// annotated returns the mappings within n that have annotations of ingress-nginx, with
// what is around each.
func annotated(n tree.Node) (found []ingress) {
	if i := (kubernetes.Ingress{Annotations: n}); i.HasAnnotations(kubernetes.Nginx) {
		return []ingress{{Ingress: i}}
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
	kubernetes.Ingress
	around  []tree.Node // the mappings that the annotations are in, inmost first
	name    string
	created string
}

// Read reads the Ingresses of ingress-nginx. Those without annotations count, too: those of
// another Ingress do not hold for them.
func Read(docs []tree.Node) source.Config {
	r := &reader{classes: kubernetes.ClassesOf(docs), regex: map[string]bool{}, snippets: map[string]bool{}, apart: map[source.Place]bool{}, config: source.Config{Choose: choose}}
	r.served = kubernetes.ServedBy(kubernetes.Nginx, docs, func(i *kubernetes.Ingress) bool { return len(annotated(i.Node)) > 0 })
	var ingresses []*ingress
	for _, doc := range docs {
		found := annotated(doc)
		if len(found) == 0 && doc.Field("kind").String() == "Ingress" {
			annotations := doc.Field("metadata", "annotations")
			r.foreign(&ingress{Ingress: kubernetes.Ingress{Annotations: annotations}, around: []tree.Node{doc}})
			ingresses = append(ingresses, r.bare(doc, annotations)...)
		}
		for _, i := range found {
			r.foreign(&i)
			if r.servedByOther(&i) {
				ingresses = append(ingresses, r.bare(doc, tree.Node{})...)
			} else {
				ingresses = append(ingresses, &i)
			}
		}
	}
	for _, i := range ingresses {
		i.surroundings(r)
	}
	r.all(ingresses)
	r.config.Findings = append(r.config.Findings, r.served.Beside("ingress-nginx", r.config.Routes)...)
	return r.config
}

// bare returns the Ingress that a document is, if it is of the group, with annotations that are
// not those of ingress-nginx.
func (r *reader) bare(doc, annotations tree.Node) []*ingress {
	of := r.served.Find(doc)
	if of == nil {
		return nil
	}
	return []*ingress{{Ingress: kubernetes.Ingress{Annotations: annotations, Rules: of.Rules}, around: []tree.Node{doc}}}
}

// all reads Ingresses. Of two with the same path, the older one has it.
func (r *reader) all(ingresses []*ingress) {
	slices.SortStableFunc(ingresses, func(a, b *ingress) int {
		if a.created == "" || b.created == "" {
			return 0
		}
		return strings.Compare(a.created, b.created)
	})
	r.enforceRegexes(ingresses)
	for _, i := range ingresses {
		r.ingress(i)
	}
	r.defaults(ingresses)
	r.inherit()
}

// defaults reads the default backends: of a host, the first Ingress says what has the paths
// that no other has. Without one, that is the controller's own, which has no CORS.
func (r *reader) defaults(ingresses []*ingress) {
	seen := map[string]bool{"": true}
	for _, i := range ingresses {
		hasBackend := slices.ContainsFunc(i.around, func(n tree.Node) bool {
			return (&kubernetes.Ingress{Object: tree.Object{Node: n}}).DefaultBackend().Exists()
		})
		for _, rule := range i.Rules {
			host := hostOf(rule)
			if seen[host] {
				continue
			}
			seen[host] = true
			route := source.Route{Name: i.name, Place: i.place(), Hosts: []string{host}, Paths: r.pathsOf(kubernetes.Rule{Host: rule.Host})}
			if hasBackend {
				route.CORS, _ = r.cors(i)
			}
			r.add(route)
		}
	}
}

type reader struct {
	config  source.Config
	classes kubernetes.Classes
	served  kubernetes.Group
	// regex says of which hosts nginx takes the paths for regexes, and snippets which ones have
	// CORS for all their locations.
	regex, snippets map[string]bool
	// apart has the places of Ingresses whose locations do not inherit from their server.
	apart map[source.Place]bool
}

// hostOf is the host of a rule in lower case; "" is every host.
func hostOf(rule kubernetes.Rule) string { return strings.ToLower(rule.Host.Text) }

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
func (i *ingress) get(name string) tree.Node { return i.Annotations.Field(prefix + name) }

// place is where the annotations begin, else the Ingress.
func (i *ingress) place() source.Place {
	if at := i.Annotations.Place(); at.Line > 0 {
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
		if len(i.Rules) > 0 {
			continue
		}
		i.Rules = append(kubernetes.Rules(n.Field("spec", "rules")), kubernetes.Rules(n.Field("rules"))...)
		for _, item := range n.Field("hosts").Items() { // as charts have it
			host := item.Text()
			if item.IsMapping() {
				host = item.Field("host").Text()
			}
			i.Rules = append(i.Rules, kubernetes.Rule{Host: host, Paths: kubernetes.Paths(item.Field("paths"))})
		}
		for _, name := range []string{"host", "hostname"} {
			if host := n.Field(name); host.IsText() && len(i.Rules) == 0 {
				i.Rules = append(i.Rules, kubernetes.Rule{Host: host.Text(), Paths: kubernetes.Paths(n.Field("paths"))})
			}
		}
	}
	if len(i.Rules) == 0 {
		i.Rules = []kubernetes.Rule{{}}
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
			for _, have := range slices.Clone(i.Rules) {
				i.Rules = append(i.Rules, kubernetes.Rule{Host: source.Text{Place: alias.Place(), Text: text}, Paths: have.Paths})
			}
		}
	}
}

// pathsOf returns the paths of a rule as the controller reads them: what is not exact is a prefix
// of whole segments (SetDefaultNGINXPathType, updateServerLocations). Regexes are compared from
// the beginning on and without case (buildLocation).
func (r *reader) pathsOf(rule kubernetes.Rule) (all []source.Path) {
	regex := r.regex[hostOf(rule)]
	for _, p := range rule.EachPath() {
		path := p.Path
		path.Text.Text = cmp.Or(path.Text.Text, "/")
		if path.Kind == source.StringPath {
			path.Kind = source.Segments
		}
		if regex {
			path.Text.Text, path.Kind, path.Search, path.Fold = "^"+path.Text.Text, source.RegexPath, true, true
		}
		all = append(all, path)
	}
	return all
}

// choose returns the location that nginx takes. Of regexes it is the first one: the controller
// writes the longest first, and of several the last one in the alphabet. Of others it is the
// exact path, or the longest prefix.
func choose(matching []source.Match) int {
	best := 0
	for k, m := range matching {
		text, other := m.Path.Text.Text, matching[best].Path.Text.Text
		switch {
		case m.Path.Kind != source.RegexPath:
			return source.Longest(matching)
		case len(text) > len(other), len(text) == len(other) && text > other:
			best = k
		}
	}
	return best
}

// enforceRegexes finds the hosts whose paths nginx takes for regexes, since one of their
// locations has them (enforceRegexModifier). A path that an older Ingress has is not a location.
func (r *reader) enforceRegexes(ingresses []*ingress) {
	type location struct {
		host, path string
		exact      bool
	}
	taken := map[location]bool{}
	for _, i := range ingresses {
		for _, rule := range i.Rules {
			for _, p := range rule.EachPath() {
				at := location{hostOf(rule), cmp.Or(p.Text.Text, "/"), p.Kind == source.ExactPath}
				if !taken[at] && i.enforcesRegex(at.path) {
					r.regex[at.host] = true
				}
				taken[at] = true
			}
		}
	}
}

// enforcesRegex reports whether the annotations make a path a regex.
func (i *ingress) enforcesRegex(path string) bool {
	target := i.get("rewrite-target").String()
	return i.get("use-regex").True() || target != "" && target != path
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
	r.apart[i.place()] = r.isApart(i)
	base := source.Route{Name: i.name, Place: i.place()}
	base.CORS, base.Findings = r.cors(i)
	for _, rule := range i.Rules {
		route := base
		if route.Name == "" {
			route.Name = rule.Host.Text
		}
		if host := hostOf(rule); host != "" {
			route.Hosts = []string{host}
		}
		route.Paths = r.pathsOf(rule)
		r.addEach(route)
	}
	r.readSnippets(i)
}

// addEach adds a route, once for each path if these are regexes: each has a place of its own in
// their order.
func (r *reader) addEach(route source.Route) {
	paths := route.Paths
	if !slices.ContainsFunc(paths, func(p source.Path) bool { return p.Kind == source.RegexPath }) {
		r.add(route)
		return
	}
	for _, p := range paths {
		route.Paths = []source.Path{p}
		r.add(route)
		route.Findings = nil
	}
}

// alike reports whether two paths are the same, wherever they stand.
func alike(a, b source.Path) bool {
	a.Place = b.Place
	return a == b
}

// add adds a route, or its host to one that is the same but for that.
func (r *reader) add(route source.Route) {
	for k := range r.config.Routes {
		same := &r.config.Routes[k]
		if same.Place == route.Place && len(same.Hosts) > 0 && len(route.Hosts) > 0 && slices.EqualFunc(same.Paths, route.Paths, alike) {
			same.Hosts = append(same.Hosts, route.Hosts...)
			return
		}
	}
	r.config.Routes = append(r.config.Routes, route)
}
