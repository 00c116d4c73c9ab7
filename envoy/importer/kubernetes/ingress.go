// Package kubernetes reads Ingresses, which several systems serve, each with annotations of
// its own.
package kubernetes

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Ingress is an Ingress.
type Ingress struct {
	tree.Object
	Annotations tree.Node
	Rules       []Rule
}

// Rule is what an Ingress says of a host; without a host it is for every one.
type Rule struct {
	Host  source.Text
	Paths []Path
}

// EachPath returns the paths of a rule, or one without a text if it has none.
func (r Rule) EachPath() []Path {
	if len(r.Paths) == 0 {
		return []Path{{Path: source.Path{Text: source.Text{Place: r.Host.Place}, Kind: source.Segments}}}
	}
	return r.Paths
}

// Path is a path of a rule: a prefix of whole segments, or exact. What an implementation may
// read in its own way is a prefix as text.
type Path struct {
	source.Path
	// Item is its entry in the list.
	Item tree.Node
}

// ServiceOf returns the name of the service that a backend is.
func ServiceOf(backend tree.Node) string {
	return cmp.Or(backend.Field("service", "name").String(), backend.Field("serviceName").String())
}

// DefaultBackend is what has the requests that no path has.
func (i *Ingress) DefaultBackend() tree.Node {
	if backend := i.Field("spec", "defaultBackend"); backend.Exists() {
		return backend
	}
	return i.Field("spec", "backend") // before networking.k8s.io/v1
}

// Ingresses returns the Ingresses of documents.
func Ingresses(docs []tree.Node) (all []*Ingress) {
	for _, doc := range docs {
		if o, ok := tree.ObjectOf(doc); ok && o.Kind == "Ingress" {
			all = append(all, &Ingress{Object: o, Annotations: o.Field("metadata", "annotations"), Rules: Rules(o.Field("spec", "rules"))})
		}
	}
	return all
}

// Rules reads a list of rules.
func Rules(list tree.Node) (all []Rule) {
	for _, item := range list.Items() {
		all = append(all, Rule{item.Field("host").Text(), Paths(item.Field("http", "paths"))})
	}
	return all
}

// Paths reads the paths of a rule. An entry that is a text is a path, as charts have it.
func Paths(list tree.Node) (all []Path) {
	for _, item := range list.Items() {
		p := Path{Path: source.Path{Text: item.Text(), Kind: source.StringPath}, Item: item}
		if item.IsMapping() {
			p.Text = item.Field("path").Text()
		}
		if p.Text.Text == "" {
			p.Place = item.Place()
		}
		switch item.Field("pathType").String() {
		case "Exact":
			p.Kind = source.ExactPath
		case "Prefix":
			p.Kind = source.Segments
		}
		all = append(all, p)
	}
	return all
}

const classAnnotation = "kubernetes.io/ingress.class"

// Class is the class of an Ingress. The annotation goes before the field, which is newer.
func (i *Ingress) Class() tree.Node {
	if class := i.Annotations.Field(classAnnotation); class.Exists() {
		return class
	}
	return i.Field("spec", "ingressClassName")
}

// Controller is what serves Ingresses.
type Controller struct {
	// Class is a word that the names of its classes have, and Name one that the controller
	// of its IngressClasses has.
	Class, Name string
	// Prefix is what its annotations begin with.
	Prefix string
}

// The controllers whose Ingresses are read.
var (
	Nginx   = Controller{Class: "nginx", Name: "ingress-nginx", Prefix: "nginx.ingress.kubernetes.io/"}
	Traefik = Controller{Class: "traefik", Name: "traefik", Prefix: "traefik.ingress.kubernetes.io/"}
	Kong    = Controller{Class: "kong", Name: "kong", Prefix: "konghq.com/"}
)

// Serves says whether a controller serves an Ingress.
type Serves uint8

// The values of Serves.
const (
	Maybe Serves = iota // its class does not say
	Yes
	No
)

// Classes has the controllers of IngressClasses by their names.
type Classes map[string]string

// ClassesOf returns the IngressClasses of documents.
func ClassesOf(docs []tree.Node) Classes {
	all := Classes{}
	for _, doc := range docs {
		if doc.Field("kind").String() == "IngressClass" {
			all[doc.Field("metadata", "name").String()] = doc.Field("spec", "controller").String()
		}
	}
	return all
}

// named are controllers that people name their classes after.
var named = regexp.MustCompile(`(?i)\b(nginx|traefik|alb|kong|haproxy|istio|contour|gce|azure-application-gateway|ambassador|cilium|apisix|voyager|skipper|tyk|citrix|openshift)\b`)

// Serves says whether a controller serves the Ingresses of a class.
func (c Classes) Serves(class string, by Controller) Serves {
	controller, listed := c[class]
	switch {
	case class == "":
		return Maybe
	case listed && strings.Contains(controller, by.Name), !listed && strings.Contains(class, by.Class):
		return Yes
	case listed, named.MatchString(class):
		return No
	}
	return Maybe
}

// Group is the Ingresses of the documents, by who serves them.
type Group struct {
	// Own are served by the controller: their class says so, or others of the same class have
	// its annotations; those without a class count as one. Others are perhaps not, or not: they
	// are without the paths that Own have at the same host. Those that the reader of another
	// controller reads are in neither.
	Own, Others []*Ingress

	rivals []rival
}

// rival is one of Others, which has a host and a path that one of Own has.
type rival struct {
	*Ingress
	own    *Ingress
	host   string
	serves Serves
}

// Find returns the Ingress that a document is, or nil if it is not one of the group's.
func (g Group) Find(doc tree.Node) *Ingress {
	for _, i := range slices.Concat(g.Own, g.Others) {
		if i.Place() == doc.Place() {
			return i
		}
	}
	return nil
}

// ServedBy groups the Ingresses of documents. mine reports whether one has annotations of the
// controller that tell that it serves it.
func ServedBy(by Controller, docs []tree.Node, mine func(*Ingress) bool) (g Group) {
	classes, all := ClassesOf(docs), Ingresses(docs)
	used := map[string]bool{"": true}
	for _, i := range all {
		if class := i.Class().String(); mine(i) && classes.Serves(class, by) != No {
			used[class] = true
		}
	}
	for _, i := range all {
		class := i.Class().String()
		switch serves := classes.Serves(class, by); {
		case serves != Yes && i.isAnothers(by):
			// The reader of the other one reads it.
		case serves == Yes, serves == Maybe && used[class]:
			g.Own = append(g.Own, i)
		default:
			g.Others = append(g.Others, i)
		}
	}
	g.separate(func(i *Ingress) Serves { return classes.Serves(i.Class().String(), by) })
	return g
}

// location is a path of a host.
type location struct {
	host, path string
	exact      bool
}

func locationOf(r Rule, p Path) location {
	return location{strings.ToLower(r.Host.Text), strings.TrimRight(p.Text.Text, "/"), p.Kind == source.ExactPath}
}

// separate takes from Others the paths that Own have.
func (g *Group) separate(serves func(*Ingress) Serves) {
	own := map[location]*Ingress{}
	for _, i := range slices.Backward(g.Own) {
		for _, r := range i.Rules {
			for _, p := range r.EachPath() {
				own[locationOf(r, p)] = i
			}
		}
	}
	g.Others = slices.DeleteFunc(g.Others, func(i *Ingress) bool {
		had := i.Rules
		i.Rules = nil
		for _, r := range had {
			left := slices.DeleteFunc(slices.Clone(r.EachPath()), func(p Path) bool {
				at := locationOf(r, p)
				if own[at] != nil {
					g.rivals = append(g.rivals, rival{i, own[at], at.host, serves(i)})
				}
				return own[at] != nil
			})
			i.Rules = append(i.Rules, r.with(left)...)
		}
		return len(had) > 0 && len(i.Rules) == 0
	})
}

// with returns the rule with what is left of its paths, or nothing.
func (r Rule) with(left []Path) []Rule {
	if len(left) == 0 {
		return nil
	}
	if len(r.Paths) > 0 {
		r.Paths = left
	}
	return []Rule{r}
}

// isAnothers reports whether an Ingress has annotations of another controller, and not of this one.
func (i *Ingress) isAnothers(by Controller) bool {
	return !i.HasAnnotations(by) && slices.ContainsFunc([]Controller{Nginx, Traefik, Kong}, i.HasAnnotations)
}

// HasAnnotations reports whether an Ingress has annotations of a controller.
func (i *Ingress) HasAnnotations(of Controller) bool {
	return slices.ContainsFunc(i.Annotations.Fields(), func(f tree.Field) bool { return strings.HasPrefix(f.Key.Text, of.Prefix) })
}

// Beside tells of the Ingresses that the system perhaps does not serve, at hosts of routes that
// have CORS: there, no policy may grant more than before.
func (g Group) Beside(system string, routes []source.Route) (findings []source.Finding) {
	grants := granting(routes)
	tell := func(f source.Finding) {
		if !slices.Contains(findings, f) {
			findings = append(findings, f)
		}
	}
	for _, i := range g.Others {
		if slices.ContainsFunc(i.Rules, func(r Rule) bool { return grants(strings.ToLower(r.Host.Text)) }) {
			tell(i.Class().Finding(source.Differs, "its class does not say that "+system+" serves it, as it does others at the same host: its paths have no CORS", ""))
		}
	}
	for _, i := range g.rivals {
		switch same := "the Ingress " + i.own.Name + " has the same host and path: the policy has what that one says"; {
		case !grants(i.host):
		case i.serves == No:
			tell(i.Class().Finding(source.Dropped, "by its class another controller serves it, and "+same, ""))
		default:
			tell(i.Class().Finding(source.Decide, "its class does not say whether "+system+" serves it, and "+same, "if the system serves this one, too, the older of both has the path: write what that one says into the policy"))
		}
	}
	return findings
}

// granting returns a function that reports whether one of the routes that have CORS is for a host,
// of which "" is every one.
func granting(routes []source.Route) func(host string) bool {
	var hosts []string
	for _, r := range routes {
		switch {
		case r.CORS == nil:
		case len(r.Hosts) == 0:
			return func(string) bool { return true }
		default:
			hosts = append(hosts, r.Hosts...)
		}
	}
	if len(hosts) == 0 {
		return func(string) bool { return false }
	}
	for k := range hosts {
		hosts[k] = strings.ToLower(hosts[k])
	}
	return func(host string) bool { return host == "" || fields.HostsMeet(hosts, []string{host}) }
}
