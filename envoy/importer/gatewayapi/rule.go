package gatewayapi

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Rule is a rule of a HTTPRoute or a GRPCRoute.
type Rule struct {
	// Route is the route that it belongs to; a fragment has none.
	Route tree.Object
	tree.Node
	// filter is the CORS filter of a fragment that is no more than it.
	filter tree.Node
	// spec is what has the route's hostnames.
	spec tree.Node
}

// fragment returns the rules of a document without a kind, which is a part of a HTTPRoute:
// its spec, some rules, the filters of one, a filter, or a filter's content.
func fragment(doc tree.Node) []Rule {
	if spec := doc.Field("spec"); spec.Field("rules").Exists() {
		doc = spec
	}
	switch {
	case doc.Field("rules").IsList():
		return rulesOf(doc, doc.Field("rules"))
	case doc.Field("filters").IsList(), doc.Field("matches").IsList():
		return []Rule{{Node: doc, spec: doc}}
	case doc.Field("cors").IsMapping():
		return []Rule{{filter: doc.Field("cors"), Node: doc, spec: doc}}
	case doc.Field("allowOrigins").IsList():
		return []Rule{{filter: doc, Node: doc, spec: doc}}
	case !doc.IsList():
		return nil
	}
	var rules []Rule
	for _, item := range doc.Items() {
		rules = append(rules, fragment(item)...)
	}
	return rules
}

func rulesOf(spec, list tree.Node) []Rule {
	var rules []Rule
	for _, n := range list.Items() {
		rules = append(rules, Rule{Node: n, spec: spec})
	}
	return rules
}

// rules returns all rules of the documents.
func rules(docs []tree.Node) []Rule {
	var all []Rule
	for _, doc := range docs {
		o, ok := tree.ObjectOf(doc)
		switch {
		case !ok:
			all = append(all, fragment(doc)...)
		case isOurs(o) && strings.HasSuffix(o.Kind, "Route"):
			for _, r := range rulesOf(o.Field("spec"), o.Field("spec", "rules")) {
				r.Route = o
				all = append(all, r)
			}
		}
	}
	return all
}

// isBare reports whether it is a CORS configuration without the filter around it: Envoy
// Gateway's looks the same.
func (r Rule) isBare() bool { return r.filter.Exists() && !r.Field("type").Exists() }

// name is the base of the policy's name.
func (r Rule) name() string {
	return strings.Trim(r.Route.Name+"-"+r.Field("name").String(), "-")
}

// redirects reports whether it answers by itself, with a redirect.
func (r Rule) redirects() bool {
	return slices.ContainsFunc(r.Field("filters").Items(), func(f tree.Node) bool { return f.Field("requestRedirect").Exists() })
}

// CORS is the content of its CORS filter.
func (r Rule) CORS() tree.Node {
	if r.filter.Exists() {
		return r.filter
	}
	for _, f := range r.Field("filters").Items() {
		if f.Field("type").String() == filterType || f.Field("cors").Exists() {
			return f.Field("cors")
		}
	}
	return tree.Node{}
}

// tellFilters tells what is wrong with the CORS filters of a rule, and returns the content
// of the one that counts.
func (r Rule) tellFilters(report *fields.Report) tree.Node {
	seen := false
	for _, f := range r.Field("filters").Items() {
		kind, cors := f.Field("type").String(), f.Field("cors")
		switch {
		case kind != filterType && !cors.Exists():
			continue
		case kind != filterType:
			report.Tell(source.Differs, f, `the type of a filter with "cors" has to be CORS, or it is refused; it is read as one`, "write type: CORS")
		case !cors.Exists():
			report.Tell(source.Decide, f, "the CORS filter is empty, so it does nothing", `write what it allows under "cors"`)
		}
		if r.Route.Exists() && r.Route.Kind != "HTTPRoute" {
			report.Tell(source.Decide, f, "only a HTTPRoute can have a CORS filter, so this does nothing", "")
			return tree.Node{}
		}
		if seen {
			report.Tell(source.Decide, f, "a rule has one CORS filter; this one is left out", "")
		}
		seen = true
	}
	return r.CORS()
}

// tellHeaders tells of CORS headers that a rule sets by other means than a CORS filter.
func (r Rule) tellHeaders(report *fields.Report) {
	for _, f := range r.Field("filters").Items() {
		modifier := f.Field("responseHeaderModifier")
		report.HeadersWritten(modifier.Field("set"), modifier.Field("add"))
		report.HeadersRemoved(modifier.Field("remove"))
	}
}

// tellBackends tells of CORS filters of single backends.
func (r Rule) tellBackends(report *fields.Report) {
	for _, backend := range r.Field("backendRefs").Items() {
		for _, f := range backend.Field("filters").Items() {
			if f.Field("type").String() == filterType || f.Field("cors").Exists() {
				report.Tell(source.Decide, f, "a CORS filter of one backend holds for the requests that this backend gets; corsgate decides before that is known, so it is left out", "give the rule a CORS filter instead")
			}
		}
	}
}
