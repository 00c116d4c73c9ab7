package nginx

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// value is what a text with variables stands for: literal parts, and variables whose
// values a request brings.
type value []part

// part is a literal, or a variable if name is not empty.
type part struct {
	text, name string
	place      source.Place // where a literal stands, if that is known
}

// The variables that are known by what a browser sends.
const (
	varOrigin           = "http_origin"
	varMethod           = "request_method"
	varRequestedMethod  = "http_access_control_request_method"
	varRequestedHeaders = "http_access_control_request_headers"
)

// maxValue bounds a value's length, and longValue is the variable that stands for what is longer.
const (
	maxValue  = 1 << 14
	longValue = "a_longer_value_than_is_read"
)

// size is how long a value is; a variable counts as its name.
func (v value) size() (n int) {
	for _, p := range v {
		n += len(p.text) + len(p.name)
	}
	return n
}

// has reports whether v has an origin and more; empty is any origin.
func (v value) has(origin string) bool {
	return slices.ContainsFunc(v, func(p part) bool {
		if origin == "" {
			return p.name == varOrigin && len(v) > 1
		}
		return p.text != origin && strings.Contains(p.text, origin)
	})
}

// isPath reports whether v is the path of the request.
func (v value) isPath() bool {
	return slices.ContainsFunc(pathVariables, v.is)
}

func literal(s string) value {
	if s == "" {
		return nil
	}
	return value{{text: s}}
}

// isLiteral returns the text of a value without variables.
func (v value) isLiteral() (string, bool) {
	switch {
	case len(v) == 0:
		return "", true
	case len(v) == 1 && v[0].name == "":
		return v[0].text, true
	}
	return "", false
}

// is reports whether v is one variable.
func (v value) is(name string) bool { return len(v) == 1 && v[0].name == name }

// String writes v as nginx would.
func (v value) String() string {
	var b strings.Builder
	for _, p := range v {
		if p.name != "" {
			b.WriteString("$" + p.name)
		}
		b.WriteString(p.text)
	}
	return b.String()
}

// from says where the literals of v stand.
func (v value) from(at source.Place) value {
	for i := range v {
		v[i].place = at
	}
	return v
}

// place is where v stands, else fallback.
func (v value) place(fallback source.Place) source.Place {
	if len(v) > 0 && v[0].place.Line > 0 {
		return v[0].place
	}
	return fallback
}

// plus appends, and joins literals.
func (v value) plus(w value) value {
	out := append(value{}, v...)
	for _, p := range w {
		if n := len(out); p.name == "" && n > 0 && out[n-1].name == "" {
			out[n-1].text += p.text
			continue
		}
		out = append(out, p)
	}
	return out
}

// dependsOn says why a value is not known.
func (v value) dependsOn() string {
	for _, p := range v {
		switch p.name {
		case "", varOrigin:
		case longValue:
			return fmt.Sprintf("is longer than %d bytes", maxValue)
		default:
			return "depends on $" + p.name + ", whose values are not in the input"
		}
	}
	return "depends on the origin"
}

var variable = regexp.MustCompile(`\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))`)

// split cuts a text at its variables, which have no values yet.
func split(s string) (v value) {
	last := 0
	for _, m := range variable.FindAllStringSubmatchIndex(s, -1) {
		v = append(v, literal(s[last:m[0]])...)
		name := variable.FindStringSubmatch(s[m[0]:m[1]])
		v = append(v, part{name: strings.ToLower(name[1] + name[2])})
		last = m[1]
	}
	return append(v, literal(s[last:])...)
}
