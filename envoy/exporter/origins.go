package exporter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// origin is an entry of a target's list of origins.
type origin struct {
	text    string
	isRegex bool
}

// dialect says how a target writes origins.
type dialect struct {
	// write returns the entries for a pattern that is neither "*" nor "null", or none if the
	// target has no such form.
	write func(p policy.Pattern) []origin
	// regexes tells that there are regexes, and that "null" can be listed.
	regexes bool
	// most is how many origins there may be, or 0.
	most int
}

// envoyOrigins are those of Envoy's cors filter. Its regexes match whole origins.
var envoyOrigins = dialect{write: writeExpression, regexes: true}

func writeExpression(p policy.Pattern) []origin {
	if p.Form == policy.FormExact && p.Port != policy.AnyPort {
		return []origin{{text: p.String()}}
	}
	return []origin{{text: prove.Expression([]policy.Pattern{p}), isRegex: true}}
}

// gatewayOrigins are those of the Gateway API, as its schema has them: of http and https,
// with a star for the labels before a domain, or for the host.
var gatewayOrigins = dialect{most: 64, write: func(p policy.Pattern) []origin {
	return schemaOrigin(p.String(), regexp.MustCompile(`^https?://((\*\.)?([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|\*)(:[0-9]{1,5})?$`))
}}

func schemaOrigin(text string, schema *regexp.Regexp) []origin {
	if !schema.MatchString(text) {
		return nil
	}
	return []origin{{text: text}}
}

// globOrigins are those of Envoy Gateway, whose star stands for any text: so it stands
// for a port, too, at the end.
var globOrigins = dialect{write: func(p policy.Pattern) []origin {
	anyHost := p.Form == policy.FormAnyHost
	switch isWeb := p.Scheme == "http" || p.Scheme == "https"; {
	case anyHost && p.Port == policy.AnyPort:
		p.Port = 0
	case anyHost && p.Port == 0, p.Form == policy.FormSubdomain && !isWeb:
		return nil
	}
	return schemaOrigin(p.String(), regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://(\*|(\*\.)?(([\w-]+\.?)+)?[\w-]+)(:\d{1,5})?$`))
}}

// everywhere are the patterns that stand for every page of a site.
var everywhere = []string{"https://*:*", "http://*:*"}

// origins writes the origins of a policy.
func (e *exporter) origins(i int, r *rule) {
	s := &e.policies.Specs[i]
	for n, text := range s.CORS.AllowOrigins {
		e.origin(i, r, at("cors.allowOrigins", n), text)
	}
	for n, expr := range s.CORS.AllowOriginRegexes {
		e.regex(i, r, at("cors.allowOriginRegexes", n), expr)
	}
	if most := e.target.origins.most; most > 0 && len(r.origins) > most {
		e.note(i, "cors.allowOrigins", source.Finding{
			Fidelity: source.Narrowed, Message: fmt.Sprintf("there may be %d origins there, so the last %d are left out", most, len(r.origins)-most),
			Origin: r.origins[most].text, Hint: "write patterns with stars, or several policies for fewer paths",
		})
		r.origins = r.origins[:most]
	}
}

func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// origin writes an entry of allowOrigins.
func (e *exporter) origin(i int, r *rule, field, text string) {
	p, err := policy.ParsePattern(text)
	switch {
	case err != nil: // a judged policy has none
	case p.Form == policy.FormAny && !r.credentials:
		r.origins = append(r.origins, origin{text: "*"})
	case p.Form == policy.FormAny:
		e.note(i, field, source.Finding{
			Fidelity: source.Narrowed, Value: text, Origin: "capacitor://localhost", Hint: "list the apps' origins, if there are any",
			Message: `"*" allows "null" there, too, so pages of sites alone are allowed`,
		})
		for _, every := range everywhere {
			e.origin(i, r, field, every)
		}
	case p.Form == policy.FormNull && e.target.origins.regexes:
		r.origins = append(r.origins, origin{text: text})
	default:
		e.pattern(i, r, field, p)
	}
}

func (e *exporter) pattern(i int, r *rule, field string, p policy.Pattern) {
	list := e.target.origins.write(p)
	if len(list) == 0 {
		list = e.narrow(i, field, p)
	}
	r.origins = append(r.origins, list...)
}

// narrow is for a pattern that the target cannot say. Of one with any port it may be able
// to say the default port.
func (e *exporter) narrow(i int, field string, p policy.Pattern) (list []origin) {
	f := source.Finding{Fidelity: source.Narrowed, Value: p.String(), Origin: p.Hostile(), Message: "there is no such form there, so the origin is left out"}
	if strings.Contains(f.Value, "*") {
		f.Hint = "list the origins one by one"
	}
	if p.Port == policy.AnyPort {
		p.Port = 0
		if list = e.target.origins.write(p); len(list) > 0 {
			f.Message, f.Hint = "any port is no form there, so it is allowed on the default port alone", "list the ports"
		}
	}
	e.note(i, field, f)
	return list
}

// regex writes an entry of allowOriginRegexes: as patterns if they are proved to be the
// same, or else as it is if that allows no more there.
func (e *exporter) regex(i int, r *rule, field, expr string) {
	v, err := prove.Translate(prove.Regex{Expr: expr})
	v.Patterns = slices.DeleteFunc(v.Patterns, isAnybodys)
	found := source.Finding{Value: expr, Hint: "write patterns under allowOrigins"}
	switch {
	case err == nil && v.Kind == prove.Never:
		found.Fidelity, found.Message, found.Hint = source.Dropped, "the regex matches no origin", ""
	case err == nil && v.Kind == prove.Equal:
		found.Fidelity, found.Message, found.Hint = source.Equal, "written as "+strings.Join(v.Patterns, ", "), ""
	case e.target.origins.regexes && !opens(expr):
		r.origins = append(r.origins, origin{text: expr, isRegex: true})
		return
	case err == nil && v.Added == "" && len(v.Patterns) > 0:
		found.Fidelity, found.Message, found.Origin = source.Narrowed, "written as "+strings.Join(v.Patterns, ", ")+", which allows less", v.Lost
	default:
		found.Fidelity, found.Message, found.Origin = source.Narrowed, "the regex is left out: there is no such form there", v.Lost
		v.Patterns = nil
	}
	e.note(i, field, found)
	for _, text := range v.Patterns {
		e.origin(i, r, field, text)
	}
}

// anybodys are the origins that no regex of a policy allows.
const anybodys = `(?:about|applewebdata|blob|content|data|file|filesystem|javascript)://.*`

func isAnybodys(pattern string) bool {
	p, err := policy.ParsePattern(pattern)
	return err != nil || policy.Origin{Scheme: p.Scheme}.Anybodys()
}

// opens reports whether Envoy would take a regex for more than a policy does: it takes
// one that matches "*" for every origin, and matches "null" and the like as text.
func opens(expr string) bool {
	r := prove.Regex{Expr: expr}
	re, err := r.Compile()
	if err != nil || re.MatchString("*") || re.MatchString("null") {
		return true
	}
	witness, err := prove.Both(r, prove.Regex{Expr: anybodys})
	return err != nil || witness != ""
}
