// Package gatewayapi reads the CORS filters of the Gateway API's HTTPRoutes, as its
// specification defines them (HTTPCORSFilter).
package gatewayapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Group is the API group of the Gateway API.
const Group = "gateway.networking.k8s.io"

const system = "Gateway API"

// Claims reports whether a document is the Gateway API's: a route or a gateway, or a
// fragment of a route with a CORS filter.
func Claims(doc tree.Node) bool {
	if o, ok := tree.ObjectOf(doc); ok {
		return isOurs(o) && !isTraefiks(doc)
	}
	return slices.ContainsFunc(fragment(doc), func(r Rule) bool {
		return r.CORS().Exists() && !r.isBare() || wholeSeconds.MatchString(r.CORS().Field("maxAge").String())
	})
}

var wholeSeconds = regexp.MustCompile(`^[0-9]+$`)

// isOurs reports whether an object is a route or a gateway. People leave out the apiVersion
// of routes.
func isOurs(o tree.Object) bool {
	route := o.Kind == "HTTPRoute" || o.Kind == "GRPCRoute"
	return o.Group == Group && (route || o.Kind == "Gateway") || o.Group == "" && route
}

// isTraefiks reports whether a route answers through a middleware of Traefik, whose reader
// reads it.
func isTraefiks(doc tree.Node) bool {
	return slices.ContainsFunc(doc.Field("spec", "rules").Items(), func(rule tree.Node) bool {
		return slices.ContainsFunc(rule.Field("filters").Items(), func(f tree.Node) bool {
			return strings.HasPrefix(f.Field("extensionRef", "group").String(), "traefik.")
		})
	})
}

// Read returns what the HTTPRoutes of the documents say about CORS.
func Read(docs []tree.Node) source.Config {
	return Routes(fields.Own(tree.Unlist(docs), Claims), Filters{})
}

// Filters reads the CORS filters alone: they are the same for all listeners.
type Filters struct{}

// Key is the same for all listeners.
func (Filters) Key(Rule, Attachment) string { return "" }

// Answer returns what the CORS filter of a rule does.
func (Filters) Answer(r Rule, _ Attachment) Answer {
	report := &fields.Report{System: system}
	return Answer{CORS: CORS(r, report, Dialect{Origin: origin}), Findings: report.Findings}
}

// Dialect is what implementations of the Gateway API do in their own way.
type Dialect struct {
	// Origin returns what an entry of allowOrigins matches.
	Origin func(report *fields.Report, text source.Text, credentials bool) source.Origin
	// Echoes says that a star among the names always stands for what is asked for.
	Echoes bool
}

const filterType = "CORS"

// CORS returns what the CORS filter of a rule does, or nil if it has none.
func CORS(r Rule, report *fields.Report, d Dialect) *source.CORS {
	r.tellHeaders(report)
	r.tellBackends(report)
	n := r.tellFilters(report)
	if !n.Exists() {
		return nil
	}
	report.Known(n, "allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "allowCredentials", "maxAge")
	credentials := report.Bool(n.Field("allowCredentials"))
	cors := &source.CORS{
		// With credentials a star must not be sent (HTTPCORSFilter, allowMethods, allowHeaders).
		Methods:     report.StarredNames(n.Field("allowMethods"), credentials || d.Echoes),
		Headers:     report.StarredNames(n.Field("allowHeaders"), credentials || d.Echoes),
		Expose:      report.Names(n.Field("exposeHeaders")),
		Credentials: credentials,
		MaxAge:      report.MaxAge(n.Field("maxAge"), fields.Seconds),
		// What the application sends beside the filter is left to implementations, and
		// stays in all that are known.
		KeepsUpstream: true,
	}
	if cors.MaxAge != nil && cors.MaxAge.Seconds < 1 {
		report.Tell(source.Differs, n.Field("maxAge"), system+" refuses a time below one second; it is read as written", "")
	}
	if cors.MaxAge == nil {
		cors.MaxAge = &source.MaxAge{Place: n.Place(), Seconds: 5, Default: true}
	}
	for _, text := range report.Texts(n.Field("allowOrigins")) {
		cors.Origins = append(cors.Origins, d.Origin(report, text, credentials))
	}
	return cors
}

// shape is what the schema of the Gateway API accepts as an origin (CORSOrigin), in parts.
var shape = regexp.MustCompile(`^(https?)://(\*|(?:\*\.)?(?:[a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+)(:[0-9]{1,5})?$`)

// defaultPorts are taken for written where an entry has none (HTTPCORSFilter, allowOrigins).
var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// origin reads an entry of allowOrigins: a star stands for everything to its left, dots
// included, and alone for every host (HTTPCORSFilter, allowOrigins).
func origin(report *fields.Report, text source.Text, credentials bool) source.Origin {
	if text.Text == "*" {
		return star(text, credentials)
	}
	o := source.EnvoyOrigin(text, source.EnvoyExact)
	parts := shape.FindStringSubmatch(text.Text)
	if parts == nil {
		report.RefusedOrigin(text)
		o.Meant = fields.Meant(text.Text)
		return o
	}
	scheme, host, port := parts[1], parts[2], parts[3]
	if port == defaultPorts[scheme] {
		port = ""
	}
	expr := regexp.QuoteMeta(host)
	switch rest, below := strings.CutPrefix(host, "*."); {
	case host == "*":
		expr = `(?:[^/:\[\]]+|\[[0-9a-f:]+\])`
	case below:
		expr = `[^/:\[\]]+\.` + regexp.QuoteMeta(rest)
	}
	o.Regex.Expr = scheme + "://" + expr + port
	if meant := strings.ToLower(text.Text); meant != text.Text {
		o.Meant = []string{meant}
	}
	return o
}

// star is the entry for every origin: with credentials, the answer has to name it
// (HTTPCORSFilter, allowOrigins).
func star(text source.Text, credentials bool) source.Origin {
	if credentials {
		return source.Origin{Text: text, Any: source.Reflected}
	}
	return source.Origin{Text: text, Any: source.Star}
}
