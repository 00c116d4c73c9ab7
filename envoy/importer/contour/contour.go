// Package contour reads the corsPolicy of Contour's HTTPProxies as Contour translates it
// (toCORSPolicy in internal/dag/httpproxy_processor.go, corsPolicy in
// internal/envoy/v3/route.go).
package contour

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

const system = "Contour"

// groups are the API groups of a HTTPProxy and of the IngressRoute before it.
var groups = []string{"projectcontour.io", "contour.heptio.com"}

const (
	policyField = "corsPolicy"
	hostField   = "virtualhost"
)

// Claims reports whether a document is a HTTPProxy, or a fragment of one.
func Claims(doc tree.Node) bool {
	if o, ok := tree.ObjectOf(doc); ok {
		return (o.Kind == "HTTPProxy" || o.Kind == "IngressRoute") && (o.Group == "" || slices.Contains(groups, o.Group))
	}
	p := fragment(doc)
	if p.host.Exists() && p.host.Field("fqdn").Exists() {
		return true
	}
	// Istio has a corsPolicy with such a list, too; its entries are never regexes.
	isRegex := func(n tree.Node) bool {
		return n.String() != "*" && (!isExact(n.String()) || strings.Contains(n.String(), "*"))
	}
	list := p.cors.Field("allowOrigin")
	return !p.cors.Field("allowOrigins").Exists() &&
		(p.cors.Field("allowPrivateNetwork").Exists() || slices.ContainsFunc(list.Entries(), isRegex))
}

// proxy is a HTTPProxy, or a fragment of one.
type proxy struct {
	object     tree.Object
	spec       tree.Node
	host, cors tree.Node
}

// fragment returns the proxy that a document without a kind is a part of: an object without
// its head, a spec, a virtualhost, or a corsPolicy with its name or without.
func fragment(doc tree.Node) proxy {
	if spec := doc.Field("spec"); spec.Field(hostField).IsMapping() {
		doc = spec
	}
	switch {
	case doc.Field(hostField).IsMapping():
		host := doc.Field(hostField)
		return proxy{spec: doc, host: host, cors: host.Field(policyField)}
	case doc.Field(policyField).IsMapping():
		return proxy{host: doc, cors: doc.Field(policyField)}
	case doc.Field("allowOrigin").Exists():
		return proxy{host: doc, cors: doc}
	}
	return proxy{}
}

// Read returns what the HTTPProxies of the documents say about CORS.
func Read(docs []tree.Node) source.Config {
	var config source.Config
	seen := map[string]bool{}
	for _, doc := range fields.Own(tree.Unlist(docs), Claims) {
		p, ok := proxyOf(doc)
		if !ok {
			continue
		}
		report := &fields.Report{System: system}
		p.tellElsewhere(report)
		if !p.host.Exists() {
			config.Findings = append(config.Findings, report.Findings...)
			continue
		}
		if fqdn := strings.ToLower(p.host.Field("fqdn").String()); fqdn != "" && seen[fqdn] {
			report.Tell(source.Decide, p.host.Field("fqdn"), "two HTTPProxies have this name, and Contour refuses both; the first is written", "")
		} else {
			seen[fqdn] = true
		}
		config.Routes = append(config.Routes, p.route(report))
	}
	return config
}

func proxyOf(doc tree.Node) (proxy, bool) {
	o, ok := tree.ObjectOf(doc)
	switch {
	case !ok:
		p := fragment(doc)
		return p, p.cors.Exists() || p.host.Exists()
	case !Claims(doc):
		return proxy{}, false
	}
	spec := o.Field("spec")
	host := spec.Field(hostField)
	return proxy{object: o, spec: spec, host: host, cors: host.Field(policyField)}, true
}

// route returns the route of a virtual host: its policy is for all of it.
func (p proxy) route(report *fields.Report) source.Route {
	fqdn := p.host.Field("fqdn")
	route := source.Route{Name: p.object.Name, Place: p.host.Place()}
	if fqdn.Exists() {
		route.Hosts = []string{fqdn.String()}
	}
	switch {
	case p.object.Kind == "IngressRoute" && p.cors.Exists():
		report.Tell(source.Decide, p.cors, "an IngressRoute has no corsPolicy, so it does nothing", "write it into the HTTPProxy that replaces it")
	case p.cors.Exists():
		route.CORS = read(p.cors, report)
		p.tellScope(report)
	}
	route.Findings = report.Findings
	return route
}

// tellScope tells how the hosts of the policy differ from those of the source.
func (p proxy) tellScope(report *fields.Report) {
	fqdn := p.host.Field("fqdn")
	switch {
	case !fqdn.Exists():
		report.TellText(source.Differs, source.Text{Place: p.cors.Place()}, "hosts", "the input does not say for which host this is; the policy is for every host", "write hosts into the policy")
	case strings.HasPrefix(fqdn.String(), "*."):
		report.Tell(source.Widened, fqdn, "in Contour the star is one label, and a host with more is not found; the policy covers it, too", "write a policy with mode: off for such hosts if there are any")
	}
	if p.spec.Field("tcpproxy").Exists() {
		report.Tell(source.Differs, p.spec.Field("tcpproxy"), "connections with TLS go to the tcpproxy, and nothing answers CORS there; the policy holds where Envoy asks corsgate", "")
	}
}

// tellElsewhere tells of a corsPolicy where none is allowed, and of CORS headers that are set
// by other means.
func (p proxy) tellElsewhere(report *fields.Report) {
	places := []tree.Node{p.spec}
	for _, route := range p.spec.Field("routes").Items() {
		places = append(places, route)
		tellHeaders(route, report)
		for _, service := range route.Field("services").Items() {
			tellHeaders(service, report)
		}
	}
	for _, n := range places {
		if cors := n.Field(policyField); cors.Exists() {
			report.Tell(source.Decide, cors, "a corsPolicy belongs into the virtualhost; here it does nothing", "move it to spec.virtualhost.corsPolicy")
		}
	}
}

func tellHeaders(n tree.Node, report *fields.Report) {
	policy := n.Field("responseHeadersPolicy")
	report.HeadersWritten(policy.Field("set"))
	report.HeadersRemoved(policy.Field("remove"))
}

// read returns what a corsPolicy does. Envoy sends what does not match to the application,
// since Contour does not say otherwise.
func read(n tree.Node, report *fields.Report) *source.CORS {
	report.Known(n, "allowCredentials", "allowOrigin", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge", "allowPrivateNetwork")
	if !n.Field("allowMethods").Exists() {
		report.Tell(source.Differs, n, "Contour refuses a corsPolicy without allowMethods; it is read as if it did not", "")
	}
	cors := &source.CORS{
		Methods:           names(n.Field("allowMethods"), report),
		Headers:           names(n.Field("allowHeaders"), report),
		Expose:            report.Names(n.Field("exposeHeaders")),
		Credentials:       report.Bool(n.Field("allowCredentials")),
		MaxAge:            report.MaxAge(n.Field("maxAge"), fields.Duration),
		ForwardsUnmatched: true,
		KeepsUpstream:     true,
		PrivateNetwork:    report.Bool(n.Field("allowPrivateNetwork")),
	}
	for _, text := range report.Texts(n.Field("allowOrigin")) {
		cors.Origins = append(cors.Origins, origin(text, report))
	}
	return cors
}

// names returns a list as Contour sends it. For a star alone Envoy grants what is asked
// for: it compares the whole text with it (CorsFilter::decodeHeaders).
func names(n tree.Node, report *fields.Report) source.Names {
	names := report.Names(n)
	names.Echo = len(names.Items) == 1 && names.Items[0].Text == "*"
	return names
}

// isExact reports whether Contour takes an entry for one origin.
func isExact(entry string) bool {
	u, err := url.Parse(entry)
	return err == nil && u.Scheme != "" && u.Host != "" && u.Scheme+"://"+u.Host == entry
}

// origin reads an entry of allowOrigin: a star alone, a URL without a path, compared
// without case and where a star is only a star, or else a regex for the whole origin.
func origin(text source.Text, report *fields.Report) source.Origin {
	switch {
	case text.Text == "*":
		return source.EnvoyOrigin(text, source.EnvoyExact)
	case isExact(text.Text):
		o := source.EnvoyOrigin(text, source.EnvoyExact)
		o.Regex.Fold = true
		o.Meant = fields.Meant(text.Text)
		return o
	}
	if _, err := regexp.Compile(text.Text); err != nil {
		report.TellText(source.Differs, text, "allowOrigin", "Contour takes this for a regex, and refuses the HTTPProxy, since it is not one", "")
	}
	o := source.EnvoyOrigin(text, source.EnvoyRegex)
	o.Meant = fields.Meant(text.Text)
	return o
}
