// Package tree reads YAML and JSON as trees of which each node knows its place, for readers
// of configurations that tell what they do not understand.
package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// Node is a value in a document. The zero Node stands for a value that is not there: it has
// no fields, no entries and no text. A Node is only read.
type Node struct {
	file string
	path string
	node *yaml.Node
}

// maxDepth is how deep lists and mappings may nest.
const maxDepth = 100

// Parse returns the documents of a file; empty ones are left out. An error has the place.
func Parse(file source.File) ([]Node, error) {
	depth := loaderlimits.DepthFunc(func(depth int, _ *yaml.DepthContext) error {
		if depth > maxDepth {
			return fmt.Errorf("lists and mappings nest deeper than %d levels", maxDepth)
		}
		return nil
	})
	loader, err := yaml.NewLoader(bytes.NewReader(file.Text), yaml.WithPlugin(loaderlimits.New(depth)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	var docs []Node
	for left := maxNodes; ; {
		var doc yaml.Node
		switch err := loader.Load(&doc); {
		case errors.Is(err, io.EOF):
			return docs, nil
		case err != nil:
			return nil, placed(file.Path, err)
		}
		root := &doc
		if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
			root = doc.Content[0]
		}
		if !isBounded(root, 0, &left) {
			return nil, fmt.Errorf("%s: the aliases of the file stand for more than %d values, or for themselves", file.Path, maxNodes)
		}
		if first, again := repeated(root); again != nil {
			return nil, fmt.Errorf("%s: the field %q is there twice, in line %d, too: systems take either one (remove one of them)",
				source.Place{File: file.Path, Line: again.Line, Column: again.Column}, again.Value, first.Line)
		}
		resolve(root)
		if root.ShortTag() != "!!null" {
			docs = append(docs, Node{file: file.Path, node: root})
		}
	}
}

// placed returns an error of the parser with its place.
func placed(path string, err error) error {
	bad, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return fmt.Errorf("%s: %w", path, err)
	}
	mark := bad.Mark
	if mark.Line == 0 {
		mark = bad.ContextMark
	}
	at := source.Place{File: path, Line: max(1, mark.Line), Column: max(1, mark.Column)}
	hint := ""
	switch {
	case strings.HasPrefix(bad.Message, "unknown anchor"), strings.Contains(bad.ContextMsg, "alias"):
		hint = ` (put a text that begins with a star in quotes)`
	case strings.Contains(bad.ContextMsg, "block"), strings.Contains(bad.Message, "mapping values"):
		hint = " (check the indentation of this line)"
	}
	return fmt.Errorf("%s: this is neither YAML nor JSON: %s%s", at, strings.TrimSpace(bad.Message+" "+bad.ContextMsg), hint)
}

// isBounded reports whether the aliases below n stand for at most left values, and none for
// itself. n is within one if depth is not 0.
func isBounded(n *yaml.Node, depth int, left *int) bool {
	if n.Kind == yaml.AliasNode {
		return isBounded(n.Alias, depth+1, left)
	}
	if depth > 0 {
		*left--
		depth++
	}
	if *left < 0 || depth > maxDepth*maxDepth {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !isBounded(c, depth, left) })
}

// target returns what n stands for if it is an alias.
func (n Node) target() *yaml.Node {
	at := n.node
	for at != nil && at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	return at
}

func (n Node) is(kind yaml.Kind) bool {
	at := n.target()
	return at != nil && at.Kind == kind
}

// Exists reports whether the value is there and is not null.
func (n Node) Exists() bool {
	at := n.target()
	return at != nil && at.ShortTag() != "!!null"
}

// IsText reports whether n is a text, a number or a truth value.
func (n Node) IsText() bool { return n.Exists() && n.is(yaml.ScalarNode) }

// IsList reports whether n is a list.
func (n Node) IsList() bool { return n.is(yaml.SequenceNode) }

// IsMapping reports whether n is a mapping.
func (n Node) IsMapping() bool { return n.is(yaml.MappingNode) }

// Place is where n stands.
func (n Node) Place() source.Place {
	if n.node == nil {
		return source.Place{File: n.file}
	}
	return source.Place{File: n.file, Line: n.node.Line, Column: n.node.Column}
}

// Path is the way from the root: "spec.http[0].corsPolicy".
func (n Node) Path() string { return n.path }

// String returns the text of a text, a number or a truth value as it is written, else "".
func (n Node) String() string {
	if !n.IsText() {
		return ""
	}
	return n.target().Value
}

// Text is String with its place.
func (n Node) Text() source.Text { return source.Text{Place: n.Place(), Text: n.String()} }

// True reports whether n is true, or the text "true".
func (n Node) True() bool {
	yes, err := strconv.ParseBool(n.String())
	return err == nil && yes
}

// Name is the last part of the path of a field: "corsPolicy".
func (n Node) Name() string {
	name := n.path[strings.LastIndexByte(n.path, '.')+1:]
	name, _, _ = strings.Cut(name, "[")
	return name
}

// Finding returns what is told of n.
func (n Node) Finding(f source.Fidelity, message, hint string) source.Finding {
	return source.Finding{Fidelity: f, Place: n.Place(), Field: n.Name(), Value: n.String(), Message: message, Hint: hint}
}

// Field returns the value at names, one within the other. If it is not there, it returns a
// Node that does not exist.
func (n Node) Field(names ...string) Node {
	for _, name := range names {
		n = n.field(name)
	}
	return n
}

func (n Node) field(name string) Node {
	missing := Node{file: n.file, path: join(n.path, name)}
	if !n.IsMapping() {
		return missing
	}
	at := n.target()
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == name {
			missing.node = at.Content[i+1]
			return missing
		}
	}
	return missing
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Field is one field of a mapping.
type Field struct {
	Key source.Text
	Node
}

// Fields returns the fields of a mapping, in their order.
func (n Node) Fields() []Field {
	if !n.IsMapping() {
		return nil
	}
	at := n.target()
	var fields []Field
	for i := 0; i+1 < len(at.Content); i += 2 {
		key, value := at.Content[i], at.Content[i+1]
		fields = append(fields, Field{
			Key:  source.Text{Place: source.Place{File: n.file, Line: key.Line, Column: key.Column}, Text: key.Value},
			Node: Node{file: n.file, path: join(n.path, key.Value), node: value},
		})
	}
	return fields
}

// Others returns the fields of a mapping that are not among known: what a reader has to tell
// that it did not use.
func (n Node) Others(known ...string) []Field {
	return slices.DeleteFunc(n.Fields(), func(f Field) bool { return slices.Contains(known, f.Key.Text) })
}

// Items returns the entries of a list.
func (n Node) Items() []Node {
	if !n.IsList() {
		return nil
	}
	var items []Node
	for i, item := range n.target().Content {
		items = append(items, Node{file: n.file, path: n.path + "[" + strconv.Itoa(i) + "]", node: item})
	}
	return items
}

// maxNodes bounds what the aliases of a file may stand for.
const maxNodes = 1_000_000

// JSON returns n as JSON, for decoders that know no places.
func (n Node) JSON() ([]byte, error) {
	v, err := plain(n.target())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Place(), err)
	}
	return json.Marshal(v)
}

// plain returns what encoding/json encodes.
func plain(n *yaml.Node) (v any, err error) {
	switch {
	case n == nil:
		return nil, nil
	case n.Kind == yaml.AliasNode:
		return plain(n.Alias)
	case n.Kind == yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			if list[i], err = plain(c); err != nil {
				return nil, err
			}
		}
		return list, nil
	case n.Kind == yaml.MappingNode:
		mapping := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if mapping[n.Content[i].Value], err = plain(n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return mapping, nil
	}
	err = n.Decode(&v)
	return v, err
}
