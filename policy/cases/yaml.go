package cases

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/internal/near"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/policy/respond"
)

// maxValue bounds a header value in bytes, since repeat could make it very long.
const maxValue = 4 << 20

// The errors of the YAML package about the names and values of this package's types.
var (
	unknownField = regexp.MustCompile(`(?s)^field (.*) not found in type (.+)$`)
	wrongType    = regexp.MustCompile(`(?s)^cannot construct (!!\w+).* (?:into|as a) (\S+)$`)
)

// fieldsOf are the fields of this package's types :: type -> names.
var fieldsOf = namesOf(fileYAML{}, caseYAML{}, requestYAML{}, responseYAML{}, wantYAML{}, shadowYAML{}, exceptionYAML{}, loadYAML{}, repeatYAML{})

func namesOf(structs ...any) map[string][]string {
	all := map[string][]string{}
	for _, s := range structs {
		t := reflect.TypeOf(s)
		for i := range t.NumField() {
			all[t.String()] = append(all[t.String()], t.Field(i).Tag.Get("yaml"))
		}
	}
	return all
}

// plainly says in words of case files what the YAML package says.
func plainly(message string) string {
	if m := unknownField.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("there is no field %s here (%s)", printable.Name(m[1]), insteadOf(m[1], m[2]))
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		return cmp.Or(tagWords[m[1]], "this has a YAML tag") + ", and " + meantBy(m[2]) + " is meant"
	}
	if strings.Contains(message, "no documents in stream") {
		return "the file has no content: write some cases"
	}
	return message
}

// unlisted are the fields that a hint names only if something similar was written: they are
// for the tests of corsgate itself.
var unlisted = map[string]bool{"static": true, "groups": true, "load": true, "except": true, "only": true, "because": true}

// insteadOf says what to write instead of a field that the type does not have.
func insteadOf(field, goType string) string {
	name, fields := strings.ToLower(field), fieldsOf[goType]
	if header := name == "origin" || name == "vary" || policy.IsToken(name) && strings.Contains(name, "-"); header {
		switch where := "headers: {" + name + ": ...}"; {
		case slices.Contains(fields, "headers"):
			return "it is a header: write " + where
		case slices.Contains(fields, "request"):
			return "it is a header: write request: {" + where + "}"
		}
	}
	if near.Nearest(field, fields) == "" {
		fields = slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return unlisted[f] })
	}
	return near.DidYouMean(field, fields, "")
}

// tagWords say what YAML reads a value as.
var tagWords = map[string]string{
	"!!map": "this is a mapping", "!!seq": "this is a list", "!!str": "this is text", "!!null": "there is no value",
	"!!int": "YAML reads this as a number", "!!float": "YAML reads this as a number", "!!bool": "YAML reads this as true or false",
}

// meantBy says what a field of that type takes.
func meantBy(goType string) string {
	goType = strings.TrimPrefix(goType, "*")
	switch {
	case fieldsOf[goType] != nil, strings.HasPrefix(goType, "map["):
		return "a mapping"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "int":
		return "a whole number"
	case goType == "bool":
		return "true or false"
	}
	return "text"
}

func isReason(word string) bool {
	return slices.ContainsFunc(policy.Reasons(), func(r policy.Reason) bool { return r.String() == word })
}

// sentHeaders reads the headers of a message, each of which has a line.
func (p *part) sentHeaders(field string, n *yaml.Node) respond.Headers {
	hs := p.headers(field, n)
	for i := range behind(n).Content {
		if value := behind(behind(n).Content[i]); i%2 == 1 && value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
			p.tell(placeOf(value), field+"."+behind(n).Content[i-1].Value, "a header has at least one line; leave it out instead")
		}
	}
	return hs
}

// headers reads header lines by name from the field, which may be left out.
func (p *part) headers(field string, n *yaml.Node) respond.Headers {
	if n = behind(n); n.IsZero() || n.ShortTag() == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.tell(placeOf(n), field, "headers are a mapping of names to values")
		return nil
	}
	hs := make(respond.Headers, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key, name := n.Content[i], n.Content[i].Value
		_, twice := hs[name]
		if wrong := headerName(field, name, twice); wrong != "" {
			p.tell(placeOf(key), field, wrong)
			continue
		}
		hs[name] = p.headerLines(field+"."+name, behind(n.Content[i+1]))
	}
	return hs
}

// requestFields are the fields to use instead of names that look like headers of a request
// (RFC 9113, section 8.3.1).
var requestFields = map[string]string{
	"host": "request.host", ":authority": "request.host", ":method": "request.method", ":path": "request.path", ":protocol": "request.protocol",
}

// headerName says what is wrong with a name among the headers of that field.
func headerName(field, name string, twice bool) string {
	lower := strings.ToLower(name)
	own := requestFields[lower]
	switch {
	case field == "request.headers" && own != "":
		return fmt.Sprintf("%q has a field of its own: write it as %s", name, own)
	case !policy.IsToken(name):
		return fmt.Sprintf("%q is not a header name", name)
	case lower != name:
		return fmt.Sprintf("%q is not in lower case: write %s", name, lower)
	case twice:
		return fmt.Sprintf("the header %s is written twice; write its lines as a list", name)
	}
	return ""
}

func (p *part) headerLines(field string, n *yaml.Node) (lines []string) {
	if n.Kind != yaml.SequenceNode {
		return []string{p.headerLine(field, n)}
	}
	for _, entry := range n.Content {
		lines = append(lines, p.headerLine(field, behind(entry)))
	}
	return lines
}

func (p *part) headerLine(field string, n *yaml.Node) string {
	switch n.Kind {
	case yaml.ScalarNode:
		return p.headerBytes(field, n)
	case yaml.MappingNode:
		return p.repeated(field, n)
	}
	p.tell(placeOf(n), field, "a header line is a text, a !!binary, or {before, repeat, times, after}")
	return ""
}

// headerBytes returns the bytes of a scalar. Those of !!binary are as they are, and a text has
// one for each character. What YAML reads as a number or a boolean is text as it is written.
func (p *part) headerBytes(field string, n *yaml.Node) string {
	if n.ShortTag() == "!!binary" {
		var b string
		p.load(n, &b)
		return b
	}
	b := make([]byte, 0, len(n.Value))
	for _, c := range n.Value {
		if c > 0xff {
			p.tell(placeOf(n), field, fmt.Sprintf("%q has no byte in ISO-8859-1; write !!binary", c))
			return ""
		}
		b = append(b, byte(c))
	}
	return string(b)
}

// repeatYAML is a long text in a short form.
type repeatYAML struct {
	Before string `yaml:"before"`
	Repeat string `yaml:"repeat"`
	Times  int    `yaml:"times"`
	After  string `yaml:"after"`
}

// repeated returns a long text that is written in a short form.
func (p *part) repeated(field string, n *yaml.Node) string {
	var long repeatYAML
	p.load(n, &long)
	if long.Repeat == "" || long.Times < 1 || long.Times > maxValue/len(long.Repeat) {
		p.tell(placeOf(n), field, fmt.Sprintf("repeat and times make 1 to %d bytes", maxValue))
		return ""
	}
	return long.Before + strings.Repeat(long.Repeat, long.Times) + long.After
}
