package ingressnginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// snippetNames are the annotations that are written into nginx.conf and are read.
var snippetNames = []string{"configuration-snippet", "server-snippet"}

// snippets reads the annotations that are written into nginx.conf.
func (r *reader) snippets(i *ingress) {
	for _, name := range snippetNames {
		if n := i.get(name); isAboutCORS(n.String()) {
			r.snippet(i, n)
		}
	}
	for _, name := range []string{"auth-snippet", "custom-headers"} {
		if n := i.get(name); isAboutCORS(n.String()) || name == "custom-headers" && n.Exists() {
			r.tell(source.Decide, n, "what this adds to answers is not read", "write the CORS headers that it has into the policy")
		}
	}
}

func isAboutCORS(text string) bool {
	return strings.Contains(strings.ToLower(text), "access-control-") || strings.Contains(text, "$http_origin")
}

func (r *reader) snippet(i *ingress, n tree.Node) {
	config, err := nginx.Read([]source.File{{Path: n.Place().File, Text: []byte(atLine(n))}})
	if err != nil {
		r.tell(source.Decide, n, "nginx cannot read this: "+err.Error(), "")
		return
	}
	r.config.Findings = append(r.config.Findings, config.Findings...)
	if i.get(enable).True() {
		r.tell(source.Decide, n, "this snippet and enable-cors both answer: the policy has what the annotations say, and not what the snippet adds", "write the headers of the snippet into the policy, or remove it")
		return
	}
	r.config.Routes = slices.DeleteFunc(r.config.Routes, func(route source.Route) bool { return route.Place == i.place() && route.CORS == nil })
	if len(config.Routes) > 0 {
		r.tell(source.Differs, n, "the controller writes snippets into nginx.conf only if its option allow-snippet-annotations is on, which it is not by default since v1.9: taken for on", "")
	}
	for _, found := range config.Routes {
		for _, rule := range i.Rules {
			route := found
			route.Name = i.name
			if host := hostOf(rule); host != "" {
				route.Hosts = []string{host}
			}
			if len(route.Paths) == 0 && !strings.HasSuffix(n.Path(), "server-snippet") {
				route.Paths = r.pathsOf(rule)
			}
			r.add(route)
		}
	}
}

// atLine returns the text of a snippet behind as many empty lines as are above it, so that
// its places are those of the file.
func atLine(n tree.Node) string {
	line := n.Place().Line
	if !strings.Contains(n.String(), "\n") { // not a block, which begins a line below
		line--
	}
	return strings.Repeat("\n", max(line, 0)) + n.String()
}
