package ingressnginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// snippetNames are the annotations that are written into nginx.conf and are read.
var snippetNames = []string{"configuration-snippet", "server-snippet"}

// readSnippets reads the annotations that are written into nginx.conf.
func (r *reader) readSnippets(i *ingress) {
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
	if len(config.Routes) == 0 {
		r.tell(source.Decide, n, "this adds no CORS headers; what it does with those of the application is not imported: here, the policies leave them alone", "have the application send none here if this removes them")
		return
	}
	r.tell(source.Differs, n, "the controller writes snippets into nginx.conf only if its option allow-snippet-annotations is on, which it is not by default since v1.9: taken for on", "")
	ofServer := strings.HasSuffix(n.Path(), "server-snippet")
	if !ofServer { // the routes of the snippet have the paths of the Ingress
		r.config.Routes = slices.DeleteFunc(r.config.Routes, func(route source.Route) bool { return route.Place == i.place() && route.CORS == nil })
	}
	for _, found := range config.Routes {
		everywhere := ofServer && len(found.Paths) == 0
		if everywhere && found.CORS == nil { // the Ingresses of the host say what its locations do
			r.config.Findings = append(r.config.Findings, found.Findings...)
			continue
		}
		for _, rule := range i.Rules {
			route := found
			route.Name = i.name
			host := hostOf(rule)
			if host != "" {
				route.Hosts = []string{host}
			}
			r.snippets[host] = r.snippets[host] || everywhere
			switch {
			case len(route.Paths) > 0:
			case everywhere:
				route.Paths = r.pathsOf(kubernetes.Rule{Host: rule.Host})
			default:
				route.Paths = r.pathsOf(rule)
			}
			r.addEach(route)
		}
	}
}

// isApart reports whether the locations of an Ingress do not inherit what a snippet has for their
// server: they are perhaps another controller's, or have add_header themselves.
func (r *reader) isApart(i *ingress) bool {
	return slices.ContainsFunc(r.served.Others, func(other *kubernetes.Ingress) bool { return other.Place() == i.around[0].Place() }) ||
		i.get("auth-url").Exists() || strings.Contains(i.get("configuration-snippet").String(), "add_header")
}

// inherit leaves out the routes without CORS of hosts whose server has some: their locations
// inherit it.
func (r *reader) inherit() {
	r.config.Routes = slices.DeleteFunc(r.config.Routes, func(route source.Route) bool {
		return route.CORS == nil && !r.apart[route.Place] && len(route.Conditions) == 0 && !slices.ContainsFunc(hostsOf(route), func(host string) bool { return !r.snippets[host] })
	})
}

func hostsOf(route source.Route) []string {
	if len(route.Hosts) == 0 {
		return []string{""}
	}
	return route.Hosts
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
