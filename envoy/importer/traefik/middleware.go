package traefik

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// find returns the middleware that a router names: with the provider behind "@", and with
// the namespace in front if it is an object. Traefik's API lists middlewares with it, too.
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

// named returns the middlewares that have just this name.
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
	redirects bool
	names     *source.Finding // of a plugin
}

// steps returns what names lead to, outermost first. What a chain leads to comes once.
func (r *reader) steps(names []string) (all []step) {
	seen := map[string]bool{}
	var walk func(names []string)
	walk = func(names []string) {
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			s := step{name: name, with: find(r.middlewares, name)}
			if found := named(r.middlewares, name); len(found) > 1 {
				s.others = found[1:]
			}
			switch plain := find(r.plain, name); {
			case s.with != nil:
				r.used[s.with] = true
				chain := s.with.chain
				if chain != nil {
					s.with = nil
				}
				all = append(all, s)
				walk(chain)
				continue
			case plain != nil:
				s.redirects, s.names = plain.redirects, plain.names
			default:
				s.isMissing, s.redirects = true, redirecting.MatchString(name)
			}
			all = append(all, s)
		}
	}
	walk(names)
	return all
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
		if noCORS.MatchString(s.name) {
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
