package cases

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy/internal/near"
	"github.com/corsgate/corsgate/policy/printable"
)

// maxFound is how many mistakes of a file are reported.
const maxFound = 1000

// place is where something begins in a file.
type place struct{ line, column int }

func placeOf(n *yaml.Node) place { return place{n.Line, n.Column} }

// mistakes are the mistakes of a file.
type mistakes struct {
	file  string
	found []found
	more  int // how many are not in found
}

type found struct {
	at   place
	text string
}

func (m *mistakes) add(at place, text string) {
	if len(m.found) == maxFound {
		m.more++
		return
	}
	m.found = append(m.found, found{at, text})
}

// err returns the mistakes in their order in the file, or nil.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.found, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	var all []error
	for _, f := range m.found {
		all = append(all, fmt.Errorf("%s:%d:%d: %s", m.file, f.at.line, f.at.column, f.text))
	}
	if m.more > 0 {
		all = append(all, fmt.Errorf("%s:1:1: %d more mistakes are not shown: mend these first", m.file, m.more))
	}
	return errors.Join(all...)
}

// part is a file, or an entry of one, while it is read.
type part struct {
	*mistakes
	node   *yaml.Node
	name   string         // of the entry, if it has one
	unread map[place]bool // values of another kind than their fields take
}

func (m *mistakes) part(n *yaml.Node) *part {
	return &part{mistakes: m, node: n, unread: map[place]bool{}}
}

// check reports what is wrong with the field, unless it is ok. It reports nothing if the field
// is misspelt, or if its value, or the value around it, could not be read, since that is
// reported already.
func (p *part) check(ok bool, field, format string, args ...any) {
	at := p.node
	for name := range strings.SplitSeq(field, ".") {
		if ok || p.unread[placeOf(at)] {
			return
		}
		inner, misspelt := fieldOf(at, name)
		if misspelt {
			return
		}
		if inner == nil {
			break
		}
		at = inner
	}
	if !p.unread[placeOf(at)] {
		p.tell(placeOf(at), field, fmt.Sprintf(format, args...))
	}
}

// tell reports what is wrong with the field of that name, or with the whole if it is empty.
func (p *part) tell(at place, field, text string) {
	if field != "" {
		text = field + ": " + text
	}
	if p.name != "" {
		text = strconv.Quote(p.name) + ": " + text
	}
	p.add(at, text)
}

// load decodes the part strictly into out, and reports what cannot be decoded. It decodes
// everything else.
func (p *part) load(n *yaml.Node, out any) { p.refused(n.Load(out, yaml.WithKnownFields())) }

// refused reports what the YAML package does not accept.
func (p *part) refused(err error) {
	var all *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case err == nil:
	case errors.As(err, &all):
		for _, e := range all.Errors {
			p.misread(e)
		}
	case errors.As(err, &one):
		p.misread(one)
	default:
		p.tell(placeOf(p.node), "", err.Error())
	}
}

// misread reports an error of the YAML package.
func (p *part) misread(e *yaml.LoadError) {
	at := place{max(e.Mark.Line, 1), max(e.Mark.Column, 1)}
	if wrongType.MatchString(e.Message) {
		p.unread[at] = true
	}
	p.tell(at, pathTo(p.node, at), plainly(e.Message))
}

// fieldOf returns the value of a mapping's field. If there is none, it returns nil, and
// whether there is a field with nearly that name.
func fieldOf(n *yaml.Node, name string) (value *yaml.Node, misspelt bool) {
	if n = behind(n); n.Kind != yaml.MappingNode {
		return nil, false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1], false
		}
		misspelt = misspelt || near.Nearest(n.Content[i].Value, []string{name}) != ""
	}
	return nil, misspelt
}

// behind returns what an alias or a document stands for.
func behind(n *yaml.Node) *yaml.Node {
	switch {
	case n.Kind == yaml.AliasNode:
		return n.Alias
	case n.Kind == yaml.DocumentNode && len(n.Content) == 1:
		return n.Content[0]
	}
	return n
}

// pathTo returns the fields that lead from n to the value at that place, or to the mapping
// whose field begins there. It is empty if there is neither.
func pathTo(n *yaml.Node, at place) string {
	path, _ := search(behind(n), at)
	return path
}

func search(n *yaml.Node, at place) (path string, found bool) {
	for i, inner := range n.Content {
		name := fmt.Sprintf("[%d]", i)
		if n.Kind == yaml.MappingNode {
			name = printable.Name(n.Content[i&^1].Value) // of each two the first is the field
		}
		if here := placeOf(inner) == at; here && n.Kind == yaml.MappingNode && i%2 == 0 {
			return "", true
		} else if here {
			return name, true
		}
		switch path, found = search(inner, at); {
		case !found:
		case path == "" || path[0] == '[':
			return name + path, true
		default:
			return name + "." + path, true
		}
	}
	return "", false
}
