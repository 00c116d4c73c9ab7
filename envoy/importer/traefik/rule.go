package traefik

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// term is a conjunction of a rule: hosts and paths, one of each, and other conditions.
type term struct {
	hosts      []string
	paths      []source.Path
	conditions []source.Text
}

// routesOf returns the routes of a rule, one for each of its alternatives.
func routesOf(route source.Route, rule source.Text) (routes []source.Route) {
	p := &parser{rule: rule, rest: rule.Text}
	terms := p.or()
	if p.skip(); p.err == "" && p.rest != "" {
		p.fail("unexpected " + p.rest)
	}
	if p.err != "" || len(terms) > maxTerms {
		route.Findings = append(slices.Clone(route.Findings), source.Finding{
			Fidelity: source.Decide, Place: rule.Place, Field: "rule", Value: rule.Text,
			Message: "the rule is not understood (" + p.err + "): there is no policy for it", Hint: "write hosts and paths into a policy by hand",
		})
		route.CORS = nil
		route.Conditions = []source.Text{rule}
		return []source.Route{route}
	}
	for _, t := range terms {
		r := route
		r.Hosts, r.Paths, r.Conditions = t.hosts, t.paths, t.conditions
		if k := len(routes) - 1; k >= 0 && slices.Equal(routes[k].Hosts, r.Hosts) && len(r.Conditions)+len(routes[k].Conditions) == 0 &&
			len(r.Paths) > 0 && len(routes[k].Paths) > 0 {
			routes[k].Paths = append(routes[k].Paths, r.Paths...)
			continue
		} else if k >= 0 && slices.Equal(routes[k].Paths, r.Paths) && len(r.Conditions)+len(routes[k].Conditions) == 0 &&
			len(r.Hosts) > 0 && len(routes[k].Hosts) > 0 {
			routes[k].Hosts = append(routes[k].Hosts, r.Hosts...)
			continue
		}
		routes = append(routes, r)
	}
	return routes
}

// maxTerms bounds the alternatives of a rule.
const maxTerms = 64

// maxNest bounds the parentheses of a rule.
const maxNest = 50

// parser reads rules of v2 and v3: matchers with &&, || and !.
type parser struct {
	rule source.Text
	rest string
	nest int
	err  string
}

func (p *parser) fail(why string) {
	if p.err == "" {
		p.err = why
	}
}

func (p *parser) skip() { p.rest = strings.TrimSpace(p.rest) }

func (p *parser) take(token string) bool {
	p.skip()
	rest, found := strings.CutPrefix(p.rest, token)
	if found {
		p.rest = rest
	}
	return found
}

func (p *parser) or() []term {
	all := p.and()
	for p.err == "" && p.take("||") {
		all = append(all, p.and()...)
	}
	return all
}

func (p *parser) and() []term {
	all := p.unary()
	for p.err == "" && p.take("&&") {
		more := p.unary()
		if len(all)*len(more) > maxTerms {
			p.fail("too many alternatives")
			return nil
		}
		var both []term
		for _, a := range all {
			for _, b := range more {
				both = append(both, a.with(b))
			}
		}
		all = both
	}
	return all
}

// with joins two conjunctions. Two hosts, or two paths, cannot both be in a policy.
func (t term) with(u term) term {
	out := term{hosts: t.hosts, paths: t.paths, conditions: append(slices.Clone(t.conditions), u.conditions...)}
	if len(out.hosts) == 0 {
		out.hosts = u.hosts
	} else if len(u.hosts) > 0 {
		out.conditions = append(out.conditions, source.Text{Text: "host " + strings.Join(u.hosts, " or ")})
	}
	if len(out.paths) == 0 {
		out.paths = u.paths
	} else if len(u.paths) > 0 {
		out.conditions = append(out.conditions, source.Text{Place: u.paths[0].Place, Text: "path " + u.paths[0].Text.Text})
	}
	return out
}

func (p *parser) unary() []term {
	if p.nest++; p.nest > maxNest {
		p.fail("it nests too deep")
	}
	defer func() { p.nest-- }()
	switch before := p.rest; {
	case p.err != "":
		return nil
	case p.take("!"):
		p.unary()
		return []term{p.condition(before)}
	case p.take("("):
		all := p.or()
		if !p.take(")") {
			p.fail("a parenthesis is open")
		}
		return all
	}
	return p.matcher()
}

// condition is the text that was read since before.
func (p *parser) condition(before string) term {
	text := strings.TrimSpace(before[:len(before)-len(p.rest)])
	return term{conditions: []source.Text{{Place: p.rule.Place, Text: text}}}
}

func (p *parser) matcher() []term {
	p.skip()
	before := p.rest
	end := strings.IndexByte(p.rest, '(')
	if end < 0 {
		p.fail(fmt.Sprintf("%q is not a matcher", p.rest))
		return nil
	}
	name := strings.TrimSpace(p.rest[:end])
	p.rest = p.rest[end+1:]
	args := p.args()
	if p.err != "" {
		return nil
	}
	t := term{}
	for _, arg := range args {
		path := source.Path{Text: source.Text{Place: p.rule.Place, Text: arg}}
		isTemplate := strings.Contains(arg, "{") // of v2
		switch name {
		case "Host", "HostHeader":
			t.hosts = append(t.hosts, strings.ToLower(arg))
			continue
		case "HostRegexp":
			if !slices.Contains([]string{".+", ".*", "^.+$", "^.*$", "{any:.+}", "{any:.*}", "{catchall:.*}", "{host:.+}"}, arg) {
				return []term{p.condition(before)}
			}
			continue
		case "Path":
			path.Kind = source.ExactPath
		case "PathPrefix":
			path.Kind = source.StringPath
			isTemplate = isTemplate || arg == ""
			if arg == "/" {
				continue
			}
		case "PathRegexp":
			path.Kind = source.RegexPath
		default:
			return []term{p.condition(before)}
		}
		if isTemplate {
			return []term{p.condition(before)}
		}
		t.paths = append(t.paths, path)
	}
	return []term{t}
}

// args reads quoted texts up to the closing parenthesis.
func (p *parser) args() (all []string) {
	for {
		switch {
		case p.take(")"):
			return all
		case p.take(","):
			continue
		}
		if p.rest == "" || !strings.ContainsRune("`\"'", rune(p.rest[0])) {
			p.fail("an argument has no quotes")
			return nil
		}
		end := strings.IndexByte(p.rest[1:], p.rest[0])
		if end < 0 {
			p.fail("a quote is open")
			return nil
		}
		all = append(all, p.rest[1:end+1])
		p.rest = p.rest[end+2:]
	}
}
