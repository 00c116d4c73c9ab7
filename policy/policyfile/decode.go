package policyfile

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v4"
)

// document reads one policy file.
type document struct {
	l       *loader
	file    string
	groups  []*group
	errors  int
	sizes   map[*yaml.Node]int   // sizes of what aliases stand for
	aliased int                  // nodes that aliases stood for
	items   map[*yaml.Node][]pos // places of the entries of lists
}

// fail reports an error at n.
func (d *document) fail(n *yaml.Node, code, field, value, reason, hint string) {
	d.errors++
	d.l.fail(spot{d.file, posOf(n)}, Diagnostic{Code: code, Field: field, Value: value, Reason: reason, Hint: hint})
}

// resolve returns what n stands for. If aliases stand for too much, it reports
// an error and returns false.
func (d *document) resolve(n *yaml.Node) (*yaml.Node, bool) {
	if n.Kind != yaml.AliasNode {
		return n, true
	}
	before := d.aliased
	d.aliased += d.size(n.Alias)
	switch most := d.l.limits.aliased; {
	case before > most:
		d.errors++ // reported once, which is enough
		return nil, false
	case d.aliased > most:
		d.fail(n, "yaml-aliases", "", "*"+n.Value, "the aliases of the file stand for too much", "write out what is meant, or use originGroups")
		return nil, false
	}
	return n.Alias, true
}

// textOfNode is how many bytes of text count as a node.
const textOfNode = 64

// size counts the nodes of a tree, an alias as one.
func (d *document) size(n *yaml.Node) int {
	if size, known := d.sizes[n]; known {
		return size
	}
	if d.sizes == nil {
		d.sizes = map[*yaml.Node]int{}
	}
	size := 1 + len(n.Value)/textOfNode
	for _, c := range n.Content {
		size += d.size(c)
	}
	d.sizes[n] = size
	return size
}

// fields are the fields of a mapping :: name -> what reads its value.
type fields map[string]func(field string, n *yaml.Node)

// hints returns a function that proposes a field of the mapping n for an
// unknown name and its value.
func (known fields) hints(n *yaml.Node) func(name string, value *yaml.Node) string {
	free := maps.Clone(known)
	for i := 0; i < len(n.Content); i += 2 {
		delete(free, n.Content[i].Value)
	}
	return func(name string, value *yaml.Node) string {
		return fieldHint(name, value, slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(free)))
	}
}

// readMapping reads a mapping strictly. prefix is the path of its fields. If p
// is not nil, it gets their places.
func (d *document) readMapping(n *yaml.Node, prefix string, p *source, known fields) {
	n, ok := d.resolve(n)
	if !ok {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.failType(n, prefix, "a mapping", "write fields and their values")
		return
	}
	hints := sync.OnceValue(func() func(string, *yaml.Node) string { return known.hints(n) })
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.checkKey(key, prefix, seen) {
			continue
		}
		read := known[key.Value]
		if read == nil {
			d.failField(key, value, prefix, hints)
			continue
		}
		d.enter(p, join(prefix, key.Value), key, value)
		read(join(prefix, key.Value), value)
	}
}

// failField reports an unknown field.
func (d *document) failField(key, value *yaml.Node, prefix string, hints func() func(name string, value *yaml.Node) string) {
	hint := ""
	if d.l.found.wants(spot{d.file, posOf(key)}) {
		hint = hints()(key.Value, value)
	}
	d.fail(key, "unknown-field", join(prefix, key.Value), key.Value, "there is no such field", hint)
}

// checkKey reports whether key names a field that was not written before.
func (d *document) checkKey(key *yaml.Node, prefix string, seen map[string]bool) bool {
	switch {
	case key.Kind != yaml.ScalarNode:
		d.failType(key, prefix, "the name of a field", "write a name")
	case key.ShortTag() == "!!merge":
		d.fail(key, "yaml-merge-key", prefix, key.Value, "merge keys are not read: policies replace each other whole", "write the fields out")
	case seen[key.Value]:
		d.fail(key, "yaml-duplicate-key", join(prefix, key.Value), key.Value, "the field is written twice", "remove one")
	default:
		seen[key.Value] = true
		return true
	}
	return false
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// item returns the path of entry i of a list.
func item(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// readEach calls read for the entries of a list, and returns false, with an
// error, if n is not a list.
func (d *document) readEach(n *yaml.Node, field string, read func(i int, n *yaml.Node)) bool {
	n, ok := d.resolve(n)
	if !ok {
		return false
	}
	if n.Kind != yaml.SequenceNode {
		d.failType(n, field, "a list", d.listHint(field, n, "write a list"))
		return false
	}
	for i, c := range n.Content {
		read(i, c)
	}
	return true
}

// readText returns the text of a scalar.
func (d *document) readText(n *yaml.Node, field string) (string, bool) {
	n, ok := d.resolve(n)
	if !ok {
		return "", false
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		return n.Value, true
	}
	d.failType(n, field, "text", d.textHint(field, n))
	return "", false
}

func readText[T ~string](d *document, to *T) func(string, *yaml.Node) {
	return func(field string, n *yaml.Node) {
		if text, ok := d.readText(n, field); ok {
			*to = T(text)
		}
	}
}

func readTexts[T ~string](d *document, to *[]T) func(string, *yaml.Node) {
	return func(field string, n *yaml.Node) {
		list := []T{} // an empty list differs from a list that was left out
		if d.readEach(n, field, func(i int, n *yaml.Node) {
			// An entry that is not text keeps its place, so that indices stay right.
			text, _ := d.readText(n, item(field, i))
			list = append(list, T(text))
		}) {
			*to = list
		}
	}
}

func (d *document) readBool(to *bool) func(string, *yaml.Node) {
	return func(field string, n *yaml.Node) {
		n, ok := d.resolve(n)
		if !ok {
			return
		}
		value, err := strconv.ParseBool(n.Value)
		if n.ShortTag() != "!!bool" || err != nil {
			d.failType(n, field, "true or false", boolHint(n.Value))
			return
		}
		*to = value
	}
}

func (d *document) readInt(to *int) func(string, *yaml.Node) {
	return func(field string, n *yaml.Node) {
		n, ok := d.resolve(n)
		if !ok {
			return
		}
		value, err := strconv.Atoi(n.Value)
		if n.ShortTag() != "!!int" || err != nil || strconv.Itoa(value) != n.Value {
			d.failType(n, field, "a whole number in decimal digits", d.intHint(field, n.Value, "write decimal digits"))
			return
		}
		*to = value
	}
}

// readSeconds reads a number of seconds, or a duration such as "10m".
func (d *document) readSeconds(to **int) func(string, *yaml.Node) {
	return func(field string, n *yaml.Node) {
		n, ok := d.resolve(n)
		if !ok {
			return
		}
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
			age := 0
			before := d.errors
			d.readInt(&age)(field, n)
			if d.errors == before {
				*to = &age
			}
			return
		}
		age, ok := seconds(n.Value)
		if !ok {
			d.fail(n, "max-age-syntax", field, n.Value, "this is not a number of whole seconds",
				d.intHint(field, n.Value, `write seconds, as 600, or a duration, as "10m"`))
			return
		}
		*to = &age
	}
}

// failType reports that n has the wrong type.
func (d *document) failType(n *yaml.Node, field, meant, hint string) {
	d.fail(n, "yaml-type", field, n.Value, kindOf(n)+", and "+meant+" is meant", hint)
}

// kindOf says what YAML reads n as.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "this is a mapping"
	case yaml.SequenceNode:
		return "this is a list"
	}
	switch n.ShortTag() {
	case "!!null":
		if n.Value == "" {
			return "there is no value"
		}
		return "YAML reads this as null"
	case "!!int", "!!float":
		return "YAML reads this as a number"
	case "!!bool":
		return "YAML reads this as true or false"
	case "!!timestamp":
		return "YAML reads this as a date"
	case "!!str":
		return "this is text"
	}
	return "this has a YAML tag"
}
