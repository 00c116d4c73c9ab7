// Package kubernetes reads Ingresses, which several systems serve, each with annotations of
// its own.
package kubernetes

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

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
	// Own are served by the controller: by their class, or since others of the same class, or
	// of none, have its annotations. Others are perhaps not, or not. Those that the reader of
	// another controller reads are in neither.
	Own, Others []*Ingress

	places map[source.Place]bool
}

// Has reports whether a document is one of the Ingresses.
func (g Group) Has(doc tree.Node) bool { return g.places[doc.Place()] }

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
	g.places = map[source.Place]bool{}
	for _, i := range all {
		class := i.Class().String()
		switch serves := classes.Serves(class, by); {
		case serves != Yes && i.isAnothers(by):
			continue // the reader of the other one reads it
		case serves == Yes, serves == Maybe && used[class]:
			g.Own = append(g.Own, i)
		default:
			g.Others = append(g.Others, i)
		}
		g.places[i.Place()] = true
	}
	return g
}

// isAnothers reports whether an Ingress has annotations of another controller, and none of this.
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
	granting := map[string]bool{}
	for _, r := range routes {
		for _, host := range r.Hosts {
			granting[strings.ToLower(host)] = granting[strings.ToLower(host)] || r.CORS != nil
		}
	}
	for _, i := range g.Others {
		if slices.ContainsFunc(i.Rules, func(r Rule) bool { return granting[strings.ToLower(r.Host.Text)] }) {
			findings = append(findings, i.Class().Finding(source.Differs,
				"its class does not say that "+system+" serves it, as it does others at the same host: its paths have no CORS", ""))
		}
	}
	return findings
}
