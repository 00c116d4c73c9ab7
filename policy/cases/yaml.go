package cases

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

// maxValue bounds a header value in bytes, which repeat could make endless.
const maxValue = 4 << 20

// goType is what the YAML package says of the types of this one.
var goType = regexp.MustCompile(` (in type|into) (\[|map\[|struct|\*|cases\.).*`)

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
		return fmt.Errorf("%s:%d: %s", file, line, goType.ReplaceAllLiteralString(one.Message, " here"))
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

// repeated returns a long text that is written short.
func repeated(n *yaml.Node) (string, error) {
	var long struct {
		Before string `yaml:"before"`
		Repeat string `yaml:"repeat"`
		Times  int    `yaml:"times"`
		After  string `yaml:"after"`
	}
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
