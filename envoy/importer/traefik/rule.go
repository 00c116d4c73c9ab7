package traefik

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// term is a conjunction of a rule: hosts and paths, one of each, and other conditions.
type term struct {
	hosts      []string
	paths      []source.Path
	conditions []source.Text
	hostExprs  []hostExpr
}

// hostExpr is a regex for hosts, which is a condition.
type hostExpr struct {
	*regexp.Regexp
	text source.Text
}

// alternative is one of a rule, and what is among its conditions about the host: the last ones.
type alternative struct {
	route     source.Route
	hostExprs []hostExpr
}

// routesOf returns the routes of a rule, one for each of its alternatives.
func routesOf(route source.Route, rule source.Text) (routes []alternative) {
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
		route.Conditions = append(slices.Clone(route.Conditions), rule)
		return []alternative{{route: route}}
	}
	for _, t := range terms {
		r := route
		r.Hosts, r.Paths, r.Conditions = t.hosts, t.paths, append(slices.Clone(route.Conditions), t.conditions...)
		for _, e := range t.hostExprs {
			r.Conditions = append(r.Conditions, e.text)
		}
		if len(routes) == 0 || !join(&routes[len(routes)-1].route, r) {
			routes = append(routes, alternative{r, t.hostExprs})
			route.Findings = nil
		}
	}
	return routes
}

// join adds the hosts or the paths of a route to one that is the same but for these.
func join(to *source.Route, r source.Route) bool {
	switch {
	case len(r.Conditions)+len(to.Conditions) > 0:
		return false
	case slices.Equal(to.Hosts, r.Hosts) && len(r.Paths) > 0 && len(to.Paths) > 0:
		to.Paths = append(slices.Clone(to.Paths), r.Paths...)
	case slices.Equal(to.Paths, r.Paths) && len(r.Hosts) > 0 && len(to.Hosts) > 0:
		to.Hosts = append(slices.Clone(to.Hosts), r.Hosts...)
	default:
		return false
	}
	return true
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
	out := term{hosts: t.hosts, paths: t.paths, conditions: append(slices.Clone(t.conditions), u.conditions...), hostExprs: append(slices.Clone(t.hostExprs), u.hostExprs...)}
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
			if slices.Contains([]string{".+", ".*", "^.+$", "^.*$", "{any:.+}", "{any:.*}", "{catchall:.*}", "{host:.+}"}, arg) {
				continue
			}
			found := p.condition(before)
			if expr, err := regexp.Compile(arg); err == nil && !isTemplate && len(args) == 1 {
				found = term{hostExprs: []hostExpr{{expr, found.conditions[0]}}}
			}
			return []term{found}
		case "Path":
			path.Kind = source.ExactPath
		case "PathPrefix":
			path.Kind = source.StringPath
			isTemplate = isTemplate || arg == ""
			if arg == "/" {
				continue
			}
		case "PathRegexp":
			path.Kind, path.Search, isTemplate = source.RegexPath, true, false
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
		if text, err := strconv.QuotedPrefix(p.rest); err == nil && p.rest[0] == '"' {
			unquoted, _ := strconv.Unquote(text)
			all, p.rest = append(all, unquoted), p.rest[len(text):]
			continue
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
