package traefik

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// provider is where Traefik has a middleware or a router from. Those of each have names of their
// own.
type provider uint8

const (
	ofFile provider = iota // or another store with the same form
	ofLabels
	ofObjects
)

// providerOf is the provider behind the "@" of a name, else that of what names it.
func providerOf(name string, own provider) provider {
	_, written, _ := strings.Cut(name, "@")
	switch strings.ToLower(written) {
	case "":
		return own
	case "docker", "swarm", "consulcatalog", "nomad", "ecs", "rancher", "marathon":
		return ofLabels
	case "kubernetescrd", "kubernetes", "kubernetesgateway":
		return ofObjects
	}
	return ofFile
}

// from returns the middlewares of a provider.
func from(list []*middleware, p provider) []*middleware {
	return slices.DeleteFunc(slices.Clone(list), func(m *middleware) bool { return providerOf(m.name, m.provider) != p })
}

// find returns the middleware that a router names: with the namespace in front if it is an
// object.
func find(list []*middleware, name string) *middleware {
	if found := named(list, name); len(found) > 0 {
		return found[0]
	}
	name, _, _ = strings.Cut(name, "@")
	for _, m := range list {
		if cmp.Or(m.namespace, "default")+"-"+m.name == name || m.name == strings.TrimPrefix(name, "default-") && m.namespace == "" {
			return m
		}
	}
	return nil
}

// named returns the middlewares that have just this name. Traefik's API lists them with the
// provider, too.
func named(list []*middleware, name string) (found []*middleware) {
	name, _, _ = strings.Cut(name, "@")
	for _, m := range list {
		own, _, _ := strings.Cut(m.name, "@")
		if strings.EqualFold(own, name) && m.namespace == "" || m.namespace+"-"+m.name == name || m.namespace == "" && "-"+m.name == name {
			found = append(found, m)
		}
	}
	return found
}

// step is a middleware that requests go through: one with CORS, or another one, or one that is
// not in the input.
type step struct {
	name      string
	with      *middleware
	others    []*middleware // that have the name, too
	isMissing bool
	elsewhere *middleware // of another provider, if it is missing
	redirects bool
	names     *source.Finding // of a plugin
}

// steps returns what names lead to, outermost first. What a chain leads to comes once. own is the
// provider of what has the names.
func (r *reader) steps(names []string, own provider) (all []step) {
	type reference struct {
		name string
		of   provider
	}
	seen := map[reference]bool{}
	var walk func(names []string, own provider)
	walk = func(names []string, own provider) {
		for _, name := range names {
			of := providerOf(name, own)
			if seen[reference{name, of}] {
				continue
			}
			seen[reference{name, of}] = true
			s := r.step(name, of)
			m := s.with
			if m == nil || m.chain == nil {
				all = append(all, s)
				continue
			}
			s.with = nil
			all = append(all, s)
			walk(m.chain, of)
		}
	}
	walk(names, own)
	return all
}

// step returns the middleware of a provider that has a name.
func (r *reader) step(name string, of provider) step {
	candidates := from(r.middlewares, of)
	s := step{name: name, with: find(candidates, name)}
	if found := named(candidates, name); len(found) > 1 {
		s.others = found[1:]
	}
	switch plain := find(from(r.plain, of), name); {
	case s.with != nil:
		r.used[s.with] = true
	case plain != nil:
		s.redirects, s.names = plain.redirects, plain.names
	default:
		s.isMissing, s.elsewhere = true, find(r.middlewares, name)
	}
	return s
}

// redirecting finds names of middlewares that send requests to HTTPS.
var redirecting = regexp.MustCompile(`(?i)redirect`)

// noCORS finds names of middlewares that probably do something else.
var noCORS = regexp.MustCompile(`(?i)auth|compress|gzip|strip|prefix|redirect|rate|limit|allow-?list|white-?list|retry|buffer|circuit|errors`)

// tell tells of a middleware that is not in the input, or that is one of several.
func (s step) tell(place source.Place) (findings []source.Finding) {
	if s.isMissing {
		f := source.Finding{
			Fidelity: source.Decide, Place: place, Field: "middlewares", Value: s.name,
			Message: "this middleware is not in the input, so what it says about CORS is not known", Hint: "import it together with the router",
		}
		switch {
		case s.elsewhere != nil:
			f.Message = "this middleware is not in the input: the one of this name at " + s.elsewhere.place.String() + " is of another provider, which a name has behind \"@\""
		case noCORS.MatchString(s.name):
			f.Fidelity = source.Differs
		}
		findings = append(findings, f)
	}
	if s.names != nil {
		findings = append(findings, *s.names)
	}
	for _, other := range s.others {
		findings = append(findings, source.Finding{
			Fidelity: source.Decide, Place: place, Field: "middlewares", Value: s.name,
			Message: "there are several middlewares of this name: the one at " + other.place.String() + " is not read", Hint: "import the files of each Traefik by themselves",
		})
	}
	return findings
}
