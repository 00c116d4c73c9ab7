package envoyimport

import (
	"regexp"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// match is a RouteMatch.
type match struct {
	path       source.Path
	everyPath  bool
	conditions []source.Text
	// never tells that no page can send a request that matches: CONNECT.
	never bool
}

// pathKinds are the fields of a RouteMatch that hold a text to compare the path with.
var pathKinds = []struct {
	name string
	kind source.PathKind
}{
	{"prefix", source.StringPath},
	{"path", source.ExactPath},
	{"path_separated_prefix", source.Segments},
	{"regex", source.RegexPath},
}

func matchOf(n tree.Node) match {
	m := match{never: n.Proto("connect_matcher").Exists(), path: pathOf(n)}
	m.everyPath = EveryPath(m.path)
	if insensitive := n.Proto("case_sensitive"); insensitive.Exists() && !insensitive.True() && !m.everyPath {
		m.path = WithoutCase(m.path)
	}
	for _, f := range n.ProtoOthers("prefix", "path", "path_separated_prefix", "regex", "safe_regex", "path_match_policy", "connect_matcher", "case_sensitive") {
		m.conditions = append(m.conditions, conditions(f)...)
	}
	return m
}

func pathOf(n tree.Node) source.Path {
	for _, p := range pathKinds {
		if text := n.Proto(p.name); text.IsText() {
			return source.Path{Text: text.Text(), Kind: p.kind}
		}
	}
	if regex := n.Proto("safe_regex", "regex"); regex.IsText() {
		return source.Path{Text: regex.Text(), Kind: source.RegexPath}
	}
	if template := n.Proto("path_match_policy"); template.Exists() {
		text := template.Proto("typed_config", "path_template").Text()
		text.Text = templateExpr(text.Text)
		return source.Path{Text: text, Kind: source.RegexPath}
	}
	return source.Path{Text: source.Text{Place: n.Place(), Text: "/"}}
}

// EveryPath reports whether each path matches p.
func EveryPath(p source.Path) bool {
	switch p.Kind {
	case source.RegexPath:
		return p.Text.Text == ".*" || p.Text.Text == "/.*"
	case source.ExactPath:
		return false
	default:
		return p.Text.Text == "" || p.Text.Text == "/"
	}
}

// WithoutCase returns the regex of a path that is compared without case, which no other kind can say.
func WithoutCase(p source.Path) source.Path {
	expr := regexp.QuoteMeta(p.Text.Text)
	switch p.Kind {
	case source.StringPath:
		expr += ".*"
	case source.Segments:
		expr += "(/.*)?"
	case source.RegexPath:
		return p // case_sensitive does not hold for regexes
	}
	p.Text.Text, p.Kind = "(?i)"+expr, source.RegexPath
	return p
}

var templatePart = regexp.MustCompile(`\\\{[^=}]*(?:=(.*?))?\\\}|\\\*\\\*|\\\*`)

// templateExpr returns the regex of a template of paths: "/{lang}/*".
func templateExpr(template string) string {
	return templatePart.ReplaceAllStringFunc(regexp.QuoteMeta(template), func(part string) string {
		if strings.Contains(part, `\*\*`) {
			return ".*"
		}
		return "[^/]+"
	})
}

// conditions says what a field of a RouteMatch asks for.
func conditions(f tree.Field) []source.Text {
	name := strings.ReplaceAll(f.Key.Text, "_", " ")
	switch f.Key.Text {
	case "runtime_fraction", "runtimeFraction":
		if fraction(f.Node) >= 1 && !f.Node.Proto("runtime_key").Exists() {
			return nil
		}
	case "headers", "query_parameters", "queryParameters", "cookies":
		var list []source.Text
		for _, item := range f.Node.Entries() {
			list = append(list, source.Text{Place: item.Place(), Text: strings.TrimSuffix(name, "s") + " " + item.Field("name").String()})
		}
		return list
	}
	return []source.Text{{Place: f.Place(), Text: name}}
}
