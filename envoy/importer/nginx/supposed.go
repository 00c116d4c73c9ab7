package nginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// supposed returns the header that a fragment leaves out which only says which origins
// it knows.
func (r *reader) supposed(root []*directive) (added []*directive) {
	name, at := "", source.Place{}
	walk(root, func(d *directive) {
		about := strings.Contains(strings.ToLower(d.arg(0)), "$"+varOrigin) || strings.Contains(d.arg(0), "${"+varOrigin+"}")
		switch {
		case name != "" || len(all(root, "http"))+len(all(root, "server")) > 0:
		case d.name == "map" && about:
			name, at = strings.TrimPrefix(d.arg(1), "$"), d.Place
		case d.name == "if" && about:
			for _, set := range all(d.block, "set") {
				name, at = strings.TrimPrefix(set.arg(0), "$"), set.Place
			}
		}
	})
	if name == "" || isUsed(root, "$"+name) {
		return nil
	}
	r.conf.supposed = true
	r.findings.add(source.Finding{
		Fidelity: source.Decide, Place: at, Field: "$" + name,
		Message: "no add_header in the input sends Access-Control-Allow-Origin: the origins that set $" + name + " are taken for those that are allowed, with no further headers",
		Hint:    "import the server block that uses $" + name + " together with this",
	})
	if d := r.conf.maps[strings.ToLower(name)]; d != nil && isSwitch(d.directive) {
		return r.switched(d.directive)
	}
	if !r.setsToOrigin(root, name) && r.conf.maps[strings.ToLower(name)] == nil {
		return []*directive{{Place: at, name: "if", args: []string{"$" + name}, block: []*directive{supposedHeader(at, "$"+varOrigin)}}}
	}
	return []*directive{supposedHeader(at, "$"+name)}
}

// isUsed reports whether a variable is there for something else than CORS.
func isUsed(root []*directive, variable string) (used bool) {
	walk(root, func(d *directive) {
		if d.name == "map" || d.name == "set" || d.name == "if" && len(all(d.block, "return")) == 0 {
			return
		}
		used = used || slices.ContainsFunc(d.args, func(arg string) bool { return strings.Contains(arg, variable) })
	})
	return used
}

func supposedHeader(at source.Place, text string) *directive {
	return &directive{Place: at, name: "add_header", args: []string{"Access-Control-Allow-Origin", text, "always"}}
}

// setsToOrigin reports whether the variable holds origins, and not yes or no.
func (r *reader) setsToOrigin(root []*directive, name string) (yes bool) {
	walk(root, func(d *directive) {
		if d.name == "set" && strings.EqualFold(d.arg(0), "$"+name) {
			yes = yes || strings.Contains(d.arg(1), "$") || strings.Contains(d.arg(1), "://")
		}
	})
	return yes
}

// isSwitch reports whether a map says yes or no, and names no origins.
func isSwitch(d *directive) bool {
	return !slices.ContainsFunc(d.block, func(e *directive) bool {
		return strings.Contains(e.arg(0), "$") || strings.Contains(e.arg(0), "://") || e.arg(0) == "*"
	})
}

// switched sends the origin if a map says yes.
func (r *reader) switched(d *directive) []*directive {
	return []*directive{{Place: d.Place, name: "if", args: []string{d.arg(1)}, block: []*directive{supposedHeader(d.Place, "$"+varOrigin)}}}
}
