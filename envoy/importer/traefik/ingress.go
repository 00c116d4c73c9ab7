package traefik

import (
	"math"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// The annotations of an Ingress.
const (
	prefix        = "traefik.ingress.kubernetes.io/router."
	useAnnotation = prefix + "middlewares"
)

func usesMiddleware(doc tree.Node) bool {
	return doc.Field("metadata", "annotations").Field(useAnnotation).Exists()
}

// ingresses reads Ingresses. Those without annotations count, too: the middlewares of others
// do not hold for them.
func (r *reader) ingresses(docs []tree.Node) kubernetes.Group {
	served := kubernetes.ServedBy(kubernetes.Traefik, docs, func(i *kubernetes.Ingress) bool { return i.HasAnnotations(kubernetes.Traefik) })
	for _, i := range served.Own {
		r.ingress(i, false)
	}
	for _, i := range served.Others {
		r.ingress(i, true)
	}
	return served
}

// ingress makes routers of an Ingress (loadConfigurationFromIngresses).
func (r *reader) ingress(i *kubernetes.Ingress, bare bool) {
	base := router{name: i.Name, place: i.Place(), provider: ofObjects, ingress: i, bare: bare}
	if use := i.Annotations.Field(useAnnotation); use.Exists() {
		base.place, base.middlewares = use.Place(), splitList(use.String())
	}
	base.entryPoints = splitList(i.Annotations.Field(prefix + "entrypoints").String())
	base.tls = i.Annotations.Field(prefix + "tls").True()
	base.rule.Place = base.place
	if len(i.Rules) == 0 {
		if i.DefaultBackend().Exists() {
			base.rule.Text, base.priority = "PathPrefix(`/`)", math.MinInt32
		}
		r.routers = append(r.routers, &base)
	}
	for _, rule := range i.Rules {
		for _, p := range rule.EachPath() {
			rt := base
			rt.rule = source.Text{Place: p.Text.Place, Text: ruleOf(i, rule.Host.Text, p)}
			rt.oneLabel = strings.HasPrefix(rule.Host.Text, "*.")
			rt.rank(i.Annotations.Field(prefix + "priority").String())
			r.routers = append(r.routers, &rt)
		}
	}
}

// ruleOf is the rule that Traefik makes of a host and a path (loadRouter).
func ruleOf(i *kubernetes.Ingress, host string, p kubernetes.Path) string {
	var rules []string
	if host != "" {
		rules = append(rules, "Host("+strconv.Quote(host)+")")
	}
	if p.Text.Text != "" {
		matcher := "PathPrefix"
		switch own := i.Annotations.Field(prefix + "pathmatcher").String(); {
		case p.Kind == source.ExactPath:
			matcher = "Path"
		case p.Kind == source.StringPath && own != "":
			matcher = own
		}
		rules = append(rules, matcher+"("+strconv.Quote(p.Text.Text)+")")
	}
	if len(rules) == 0 {
		return "PathPrefix(`/`)"
	}
	return strings.Join(rules, " && ")
}
