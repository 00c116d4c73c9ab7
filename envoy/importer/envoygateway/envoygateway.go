// Package envoygateway reads the cors of Envoy Gateway's SecurityPolicies, with the routes
// and gateways that they are for, and the CORS filters of these routes as Envoy Gateway
// translates them (internal/gatewayapi/securitypolicy.go, internal/xds/translator/cors.go).
package envoygateway

import (
	"regexp"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

const (
	group  = "gateway.envoyproxy.io"
	system = "Envoy Gateway"
)

// Claims reports whether a document is a SecurityPolicy, the class of Envoy Gateway's Gateways,
// or a fragment of a SecurityPolicy with cors.
func Claims(doc tree.Node) bool {
	o, ok := tree.ObjectOf(doc)
	switch {
	case ok && o.Kind == "SecurityPolicy":
		return o.Group == group || o.Group == ""
	case ok:
		return o.Kind == "GatewayClass" && strings.HasPrefix(o.Field("spec", "controllerName").String(), group+"/")
	}
	return !gatewayapi.Claims(doc) && fragment(doc).cors().Field("allowOrigins").Exists()
}

// Read returns what the SecurityPolicies of the documents, and the CORS filters of the
// routes, say about CORS.
func Read(docs []tree.Node) source.Config {
	docs = fields.Own(tree.Unlist(docs), func(doc tree.Node) bool { return Claims(doc) || gatewayapi.Claims(doc) })
	policies, routes := policiesOf(docs)
	config := gatewayapi.Routes(routes, policies)
	alone := policies.alone(docs, fields.Answering(config.Routes))
	for _, p := range policies {
		config.Findings = append(config.Findings, p.findings...)
	}
	config.Routes = append(config.Routes, alone...)
	return config
}

// Key tells the policies that hold at different listeners apart.
func (all policies) Key(r gatewayapi.Rule, at gatewayapi.Attachment) string {
	if r.CORS().Exists() {
		return ""
	}
	return all.of(r, at).String()
}

// Answer returns what a rule does about CORS at a listener: a filter of the route wins
// over policies (ir.HTTPRoute.CORS).
func (all policies) Answer(r gatewayapi.Rule, at gatewayapi.Attachment) gatewayapi.Answer {
	report := &fields.Report{System: system}
	cors := gatewayapi.CORS(r, report, gatewayapi.Dialect{Origin: origin, Echoes: true})
	if effective := all.of(r, at); cors == nil && effective != nil {
		cors = read(effective, report)
	}
	return gatewayapi.Answer{CORS: cors, Findings: report.Findings}
}

// layers are a policy, and behind it those that it is merged with: a field is the first
// one's that has it.
type layers []*securityPolicy

// String names the layers by their places.
func (l layers) String() string {
	var places []string
	for _, p := range l {
		places = append(places, p.cors().Place().String())
	}
	return strings.Join(places, " ")
}

func (l layers) field(name string) tree.Node {
	for _, p := range l {
		if f := p.cors().Field(name); f.Exists() {
			return f
		}
	}
	return tree.Node{}
}

var known = []string{"allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "maxAge", "allowCredentials"}

// read returns what cors does. A star among names makes Envoy grant what is asked for.
func read(l layers, report *fields.Report) *source.CORS {
	for _, p := range l {
		report.Known(p.cors(), known...)
		p.used = true
	}
	credentials := report.Bool(l.field("allowCredentials"))
	cors := &source.CORS{
		Origins:       origins(l.field("allowOrigins"), report),
		Methods:       report.StarredNames(l.field("allowMethods"), true),
		Headers:       report.StarredNames(l.field("allowHeaders"), true),
		Expose:        report.Names(l.field("exposeHeaders")),
		Credentials:   credentials,
		MaxAge:        report.MaxAge(l.field("maxAge"), fields.Duration),
		KeepsUpstream: true,
	}
	return cors
}

// origins reads allowOrigins: texts, or what v0.6 had.
func origins(n tree.Node, report *fields.Report) []source.Origin {
	var all []source.Origin
	if !n.IsList() {
		for _, text := range report.Texts(n) {
			all = append(all, origin(report, text, false))
		}
	}
	for _, entry := range n.Items() {
		if entry.IsMapping() {
			all = append(all, matcher(entry, report))
		} else {
			all = append(all, origin(report, entry.Text(), false))
		}
	}
	return all
}

// accepted is what the schema of Envoy Gateway accepts as an origin (Origin).
var accepted = regexp.MustCompile(`^(\*|[A-Za-z][A-Za-z0-9+.-]*://(\*|(\*\.)?(([\w-]+\.?)+)?[\w-]+)(:\d{1,5})?)$`)

// origin reads an entry of allowOrigins: each star stands for any text (wildcard2regex).
func origin(report *fields.Report, text source.Text, _ bool) source.Origin {
	match, expr := source.EnvoyExact, text
	if strings.Contains(text.Text, "*") {
		match, expr.Text = source.EnvoyRegex, strings.ReplaceAll(regexp.QuoteMeta(text.Text), `\*`, ".*")
	}
	o := source.EnvoyOrigin(expr, match)
	o.Text = text
	if !accepted.MatchString(text.Text) {
		report.RefusedOrigin(text)
		o.Meant = fields.Meant(text.Text)
	}
	return o
}

// matches are the types of an entry as v0.6 had them (StringMatch).
var matches = map[string]source.EnvoyMatch{
	"": source.EnvoyExact, "Exact": source.EnvoyExact, "Prefix": source.EnvoyPrefix, "Suffix": source.EnvoySuffix, "RegularExpression": source.EnvoyRegex,
}

// matcher reads an entry of allowOrigins as v0.6 had it: {type: Exact, value: ...}.
func matcher(entry tree.Node, report *fields.Report) source.Origin {
	report.Known(entry, "type", "value")
	match, ok := matches[entry.Field("type").String()]
	if !ok {
		report.Tell(source.Decide, entry.Field("type"), system+" has no such type; the value is read as an exact origin", "")
	}
	value := entry.Field("value").Text()
	o := source.EnvoyOrigin(value, match)
	if match == source.EnvoyExact {
		o.Meant = fields.Meant(value.Text)
	}
	return o
}
