package istio

import (
	"regexp"
	"slices"
	"strings"

	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// match is a HTTPMatchRequest. That of a delegate comes before that of its root, which says
// what it leaves open.
type match []request

// request is what a VirtualService of a namespace asks for.
type request struct {
	tree.Node
	namespace string
}

func (r request) gateways() []string { return gateways(r.Node, r.namespace) }

func (m match) first(name string) tree.Node {
	for _, n := range m {
		if f := n.Proto(name); f.Exists() {
			return f
		}
	}
	return tree.Node{}
}

// merge returns the entry of a delegate with what its root has. If one of its matches is
// within none of the root's, ok is false (mergeHTTPRoute in Istio's virtualservice.go).
func merge(root, sub entry) (merged entry, ok bool) {
	if !sub.cors.Exists() {
		sub.cors = root.cors
	}
	if len(root.matches) == 0 {
		return sub, true
	}
	if len(sub.matches) == 0 {
		sub.matches = root.matches
		return sub, true
	}
	var matches []match
	for _, m := range sub.matches {
		before := len(matches)
		for _, of := range root.matches {
			if conflict(of[0], m[0]) {
				continue
			}
			matches = append(matches, match{m[0], of[0]})
			if m[0].Field("uri").Exists() && len(of[0].ProtoOthers(pathFields...)) == 0 {
				break // this asks for no more than m alone: another one would match nothing else
			}
		}
		if len(matches) == before {
			return entry{}, false
		}
	}
	sub.matches = matches
	return sub, true
}

// conflict reports whether a match of a delegate is not within one of its root (hasConflict).
func conflict(root, sub request) bool {
	for _, name := range []string{"uri", "scheme", "method", "authority"} {
		if textConflict(root.Field(name), sub.Field(name)) {
			return true
		}
	}
	for _, name := range []string{"headers", "without_headers", "query_params"} {
		for _, f := range sub.Proto(name).Fields() {
			if textConflict(root.Proto(name).Field(f.Key.Text), f.Node) {
				return true
			}
		}
	}
	if valueConflict(root.Field("port"), sub.Field("port")) {
		return true
	}
	// A delegate has to repeat the namespace.
	if of := root.Proto("source_namespace").String(); of != "" && of != sub.Proto("source_namespace").String() {
		return true
	}
	for _, f := range sub.Proto("source_labels").Fields() {
		if valueConflict(root.Proto("source_labels").Field(f.Key.Text), f.Node) {
			return true
		}
	}
	if of := root.gateways(); len(of) > 0 && !covers(of, sub.gateways()) {
		return true
	}
	return root.Proto("ignore_uri_case").True() != sub.Proto("ignore_uri_case").True()
}

// valueConflict reports whether both say something, and not the same.
func valueConflict(root, sub tree.Node) bool {
	return root.Exists() && sub.Exists() && root.String() != sub.String()
}

// textConflict reports whether not all that sub matches is matched by root, of which either
// may say nothing (stringMatchConflict). Istio compares no regexes.
func textConflict(root, sub tree.Node) bool {
	exact, prefix := root.Field("exact"), root.Field("prefix")
	switch {
	case !root.Exists() || !sub.Exists():
		return false
	case exact.Exists():
		return sub.Field("exact").String() != exact.String()
	case prefix.Exists():
		return !strings.HasPrefix(sub.Field("exact").String()+sub.Field("prefix").String(), prefix.String())
	default:
		return true
	}
}

// gateways returns the gateways that a match asks for; without any, it holds at all.
func (m match) gateways() []string {
	for _, n := range m {
		if names := n.gateways(); len(names) > 0 {
			return names
		}
	}
	return nil
}

// path returns the path that a match asks for.
func (m match) path() source.Path {
	uri := m.first("uri")
	path := source.Path{Text: source.Text{Place: m[0].Place(), Text: "/"}}
	for _, k := range []struct {
		name string
		kind source.PathKind
	}{{"exact", source.ExactPath}, {"prefix", source.StringPath}, {"regex", source.RegexPath}} {
		if text := uri.Field(k.name); text.IsText() {
			path = source.Path{Text: text.Text(), Kind: k.kind}
		}
	}
	if m.first("ignore_uri_case").True() && !everyPath(path) {
		return envoyimport.WithoutCase(path)
	}
	return path
}

func everyPath(p source.Path) bool { return envoyimport.EveryPath(p) }

// pathFields are those of a match that ask for nothing but the path.
var pathFields = []string{"uri", "ignore_uri_case", "name", "stat_prefix"}

// sourceFields are those of a match that ask for the proxy from which requests come. Istio ignores
// them if the match has gateways (sourceMatchHTTP in its route.go).
var sourceFields = []string{"source_labels", "source_namespace"}

// ignored returns what a match says about its sources in vain.
func (m match) ignored() (all []tree.Node) {
	if len(m.gateways()) == 0 {
		return nil
	}
	for _, n := range m {
		for _, name := range sourceFields {
			if f := n.Proto(name); f.Exists() {
				all = append(all, f)
			}
		}
	}
	return all
}

// conditions returns what a match asks for besides the path.
func (m match) conditions(s service) []source.Text {
	var list []source.Text
	known := pathFields
	if len(m.gateways()) > 0 {
		known = slices.Concat(pathFields, sourceFields)
	}
	for _, n := range m {
		for _, c := range conditionsOf(n, s, known) {
			if !slices.ContainsFunc(list, func(known source.Text) bool { return known.Text == c.Text }) {
				list = append(list, c)
			}
		}
	}
	return list
}

// conditionsOf returns what n asks for besides some fields.
func conditionsOf(n request, s service, known []string) []source.Text {
	var list []source.Text
	for _, f := range n.ProtoOthers(known...) {
		word := strings.ToLower(upper.ReplaceAllString(f.Key.Text, " $0"))
		switch f.Key.Text {
		case "gateways":
			names := n.gateways()
			if len(names) == 0 || s.knowsGateways() && covers(names, s.gateways()) {
				continue
			}
		case "headers", "withoutHeaders", "queryParams":
			word = strings.Replace(word, "params", "parameters", 1)
			for _, one := range f.Fields() {
				list = append(list, source.Text{Place: one.Key.Place, Text: strings.TrimSuffix(word, "s") + " " + one.Key.Text})
			}
			continue
		}
		list = append(list, source.Text{Place: f.Place(), Text: word})
	}
	return list
}

// upper finds the capitals of a name in camel case.
var upper = regexp.MustCompile(`[A-Z]`)

// covers reports whether all names are among some.
func covers(some, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(some, n) })
}
