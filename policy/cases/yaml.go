package cases

import (
	"cmp"
	"errors"
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

// maxValue bounds a header value in bytes, which repeat could make endless.
const maxValue = 4 << 20

// What the YAML package says of the names and values of this package's types.
var (
	unknownField = regexp.MustCompile(`(?s)^field (.*) not found in type (.+)$`)
	twiceField   = regexp.MustCompile(`(?s)^field (.*) already set in type .+$`)
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

// plainly says what the YAML package says in words of case files.
func plainly(message string) string {
	if m := unknownField.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("there is no field %s here (%s)", printable.Name(m[1]), near.DidYouMean(m[1], fieldsOf[m[2]], ""))
	}
	if m := twiceField.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("the field %s is written twice", printable.Name(m[1]))
	}
	if m := wrongType.FindStringSubmatch(message); m != nil {
		return cmp.Or(tagWords[m[1]], "this has a YAML tag") + ", and " + meantBy(m[2]) + " is meant"
	}
	if strings.Contains(message, "no documents in stream") {
		return "the file has no content: write some cases"
	}
	return message
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

// placed puts the file and the line before each mistake in err; line is that
// of a mistake that does not know its own.
func placed(file string, line int, err error) error {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &all):
		var found []error
		for _, e := range all.Errors[:min(len(all.Errors), maxFound)] {
			found = append(found, placed(file, line, e))
		}
		if more := len(all.Errors) - len(found); more > 0 {
			found = append(found, notShown(file, line, more))
		}
		return errors.Join(found...)
	case errors.As(err, &one):
		for inner := one; errors.As(inner.Unwrap(), &inner); {
			one = inner // what a method of this package said
		}
		if one.Mark.Line > 0 {
			line = one.Mark.Line
		}
		return fmt.Errorf("%s:%d: %s", file, line, plainly(one.Message))
	default:
		return fmt.Errorf("%s:%d: %w", file, line, err)
	}
}

func notShown(file string, line, more int) error {
	return fmt.Errorf("%s:%d: %d more mistakes are not shown: mend these first", file, line, more)
}

func isReason(word string) bool {
	return slices.ContainsFunc(policy.Reasons(), func(r policy.Reason) bool { return r.String() == word })
}

type headersYAML respond.Headers

// UnmarshalYAML reads header lines by name.
func (h *headersYAML) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return mistake(n, "headers are a mapping of names to values")
	}
	*h = make(headersYAML, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if !policy.IsToken(name) || strings.ToLower(name) != name {
			return mistake(n.Content[i], "%q is not a header name in lower case", name)
		}
		if _, twice := (*h)[name]; twice {
			return mistake(n.Content[i], "the header %s is written twice; write its lines as a list", name)
		}
		lines, err := headerLines(n.Content[i+1])
		if err != nil {
			return err
		}
		(*h)[name] = lines
	}
	return nil
}

func headerLines(n *yaml.Node) ([]string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		line, err := headerLine(n)
		return []string{line}, err
	}
	if len(n.Content) == 0 {
		return nil, mistake(n, "a header has at least one line; leave it out instead")
	}
	lines := make([]string, 0, len(n.Content))
	for _, entry := range n.Content {
		line, err := headerLine(entry)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func headerLine(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return headerLine(n.Alias)
	case yaml.ScalarNode:
		return headerBytes(n)
	case yaml.MappingNode:
		return repeated(n)
	default:
		return "", mistake(n, "a header line is a text, a !!binary, or {before, repeat, times, after}")
	}
}

// headerBytes returns the bytes of a scalar: of !!binary as they are, of a
// text one for each character. The text of what YAML takes for a number or a
// boolean is as it is written.
func headerBytes(n *yaml.Node) (string, error) {
	if n.ShortTag() == "!!binary" {
		var b string
		if err := n.Load(&b); err != nil {
			return "", err
		}
		return b, nil
	}
	b := make([]byte, 0, len(n.Value))
	for _, c := range n.Value {
		if c > 0xff {
			return "", mistake(n, "%q has no byte in ISO-8859-1; write !!binary", c)
		}
		b = append(b, byte(c))
	}
	return string(b), nil
}

// repeatYAML is a long text that is written short.
type repeatYAML struct {
	Before string `yaml:"before"`
	Repeat string `yaml:"repeat"`
	Times  int    `yaml:"times"`
	After  string `yaml:"after"`
}

// repeated returns a long text that is written short.
func repeated(n *yaml.Node) (string, error) {
	var long repeatYAML
	if err := n.Load(&long, yaml.WithKnownFields()); err != nil {
		return "", err
	}
	if long.Repeat == "" || long.Times < 1 || long.Times > maxValue/len(long.Repeat) {
		return "", mistake(n, "repeat and times make 1 to %d bytes", maxValue)
	}
	return long.Before + strings.Repeat(long.Repeat, long.Times) + long.After, nil
}

func mistake(n *yaml.Node, format string, args ...any) error {
	mark := yaml.Mark{Line: n.Line, Column: n.Column}
	return yaml.NewLoadError(yaml.ConstructorStage, fmt.Sprintf(format, args...), mark, nil)
}
