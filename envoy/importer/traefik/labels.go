package traefik

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// labels reads the labels of containers, wherever they are: "traefik.http.…=value" in a
// list, or a mapping.
func (r *reader) labels(doc tree.Node) {
	l := &labels{reader: r}
	l.walk(doc)
	for _, m := range l.middlewares {
		if m.chain != nil || hasCORSSettings(m.headers) {
			r.middlewares = append(r.middlewares, m)
		} else {
			r.plain = append(r.plain, m)
		}
	}
	for _, rt := range l.routers {
		rt.rank(l.priorities[rt])
		r.routers = append(r.routers, rt)
	}
}

func hasCORSSettings(s settings) bool {
	for field := range s {
		if strings.HasPrefix(field, "accesscontrol") || strings.HasPrefix(field, customCORS) {
			return true
		}
	}
	return false
}

type labels struct {
	*reader
	middlewares []*middleware
	routers     []*router
	priorities  map[*router]string
}

func (l *labels) walk(n tree.Node) {
	if isDisabled(n) {
		l.tell(source.Dropped, source.Text{Place: n.Place()}, "traefik.enable", "Traefik leaves out what has these labels, so they do nothing", "")
		return
	}
	if n.IsText() {
		l.lines(n)
		l.entryPoints.argument(n.String())
	}
	for _, f := range n.Fields() {
		if strings.HasPrefix(strings.ToLower(f.Key.Text), "traefik.") && f.IsText() {
			l.label(f.Key.Text, f.Text())
		}
		l.walk(f.Node)
	}
	for _, item := range n.Items() {
		key, value, found := strings.Cut(item.String(), "=")
		if found && strings.HasPrefix(strings.ToLower(key), "traefik.") {
			l.label(key, source.Text{Place: item.Place(), Text: value})
			continue
		}
		l.walk(item)
	}
}

// isDisabled reports whether n is labels that have Traefik leave a container out.
func isDisabled(n tree.Node) bool {
	return slices.ContainsFunc(n.Items(), func(item tree.Node) bool { return strings.EqualFold(item.String(), "traefik.enable=false") }) ||
		slices.ContainsFunc(n.Fields(), func(f tree.Field) bool {
			return strings.EqualFold(f.Key.Text, "traefik.enable") && f.IsText() && !f.True()
		})
}

// lines reads labels that stand one after the other in a text, which is one value to YAML.
func (l *labels) lines(n tree.Node) {
	starts := label.FindAllStringIndex(n.String(), -1)
	for i, at := range starts {
		text := n.String()[at[0]:]
		if i+1 < len(starts) {
			text = n.String()[at[0]:starts[i+1][0]]
		}
		if key, value, found := strings.Cut(text, "="); found {
			value = strings.TrimSuffix(strings.TrimRight(value, " \t\n\\\"'"), "--label")
			l.label(key, source.Text{Place: n.Place(), Text: strings.Trim(value, " \t\n\\\"'")})
		}
	}
}

// label finds the beginning of a label.
var label = regexp.MustCompile(`traefik\.http\.(routers|middlewares)\.`)

// label reads one label; its name has no case.
func (l *labels) label(key string, value source.Text) {
	value.Text = strings.ReplaceAll(strings.Trim(value.Text, `"`), "$$", "$") // as compose files write it
	parts := strings.Split(strings.TrimSpace(key), ".")
	lower := strings.Split(strings.ToLower(strings.TrimSpace(key)), ".")
	if strings.HasPrefix(strings.ToLower(key), "traefik.frontend.headers.") {
		l.config.Findings = append(l.config.Findings, source.Finding{
			Fidelity: source.Decide, Place: value.Place, Field: key, Value: value.Text,
			Message: "this is a label of Traefik v1, which is not read", Hint: "write it as a middleware of v2 or v3",
		})
		return
	}
	if len(lower) < 5 || lower[1] != "http" {
		return
	}
	switch name := parts[3]; lower[2] {
	case "routers":
		l.router(name, lower[4], value)
	case "middlewares":
		l.middleware(name, lower[4:], value)
	}
}

func (l *labels) router(name, field string, value source.Text) {
	var rt *router
	for _, have := range l.routers {
		if strings.EqualFold(have.name, name) {
			rt = have
		}
	}
	if rt == nil {
		rt = &router{name: name, place: value.Place, provider: ofLabels}
		l.routers = append(l.routers, rt)
	}
	switch field {
	case "rule":
		rt.rule = value
	case "middlewares":
		rt.middlewares = splitList(value.Text)
	case "entrypoints":
		rt.entryPoints = splitList(value.Text)
	case "parentrefs":
		for _, name := range splitList(value.Text) {
			rt.parents = append(rt.parents, source.Text{Place: value.Place, Text: "the router " + name + " before it"})
		}
	case "tls":
		rt.tls = value.Text != "false"
	case "priority":
		if l.priorities == nil {
			l.priorities = map[*router]string{}
		}
		l.priorities[rt] = value.Text
	}
}

func (l *labels) middleware(name string, field []string, value source.Text) {
	var m *middleware
	for _, have := range l.middlewares {
		if strings.EqualFold(have.name, name) {
			m = have
		}
	}
	if m == nil {
		m = &middleware{name: name, place: value.Place, provider: ofLabels, headers: settings{}}
		l.middlewares = append(l.middlewares, m)
	}
	switch {
	case field[0] == "redirectscheme":
		m.redirects = true
	case field[0] == "plugin" && len(field) > 1:
		if slices.ContainsFunc(field[1:], namesCORS) || strings.Contains(strings.ToLower(value.Text), "access-control-") {
			m.tellPlugin(field[1], value)
		}
	case field[0] == "chain":
		m.chain, m.headers = append(m.chain, splitList(value.Text)...), nil
	case field[0] != "headers" || len(field) < 2:
	case field[1] == custom && len(field) > 2:
		m.headers[custom+"."+strings.Join(field[2:], ".")] = []source.Text{value}
	default:
		key, _, _ := strings.Cut(field[1], "[") // "…list[0]"
		for _, text := range splitList(value.Text) {
			m.headers[key] = append(m.headers[key], source.Text{Place: value.Place, Text: text})
		}
	}
}
