package traefik

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// entryPoint is what the static configuration says of one.
type entryPoint struct {
	middlewares []string // go before those of each router
	redirects   bool     // all requests
	byDefault   bool     // it is one of those of routers that name none
}

// entryPoints are those of the static configuration, by name.
type entryPoints map[string]entryPoint

// byDefault returns the entry points of routers that name none, or nil if they are not known.
func (e entryPoints) byDefault() (all []string) {
	chosen := slices.ContainsFunc(slices.Collect(maps.Values(e)), func(p entryPoint) bool { return p.byDefault })
	for name, p := range e {
		if p.byDefault || !chosen {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// middlewares returns those of the entry points of a router.
func (e entryPoints) middlewares(names []string) (all []string) {
	if names == nil {
		names = e.byDefault()
	}
	for _, name := range names {
		all = append(all, e[name].middlewares...)
	}
	return all
}

// arguments finds the arguments of Traefik that are about entry points.
var arguments = regexp.MustCompile(`(?i)--entrypoints\.([a-z0-9_-]+)\.([a-z.]+)(?:=(\S+))?`)

// argument reads the arguments in a text.
func (e entryPoints) argument(text string) {
	for _, m := range arguments.FindAllStringSubmatch(text, -1) {
		name, field, p := strings.ToLower(m[1]), strings.ToLower(m[2]), e[strings.ToLower(m[1])]
		switch {
		case strings.HasPrefix(field, "http.redirections."):
			p.redirects = true
		case field == "asdefault":
			p.byDefault = m[3] != "false"
		case field == "http.middlewares":
			p.middlewares = splitList(m[3])
		}
		e[name] = p
	}
}
