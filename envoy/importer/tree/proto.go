package tree

import "strings"

// Proto is Field for a message of protobuf. Its JSON may have the names of fields as the
// message has them (max_age), or in camel case (maxAge). names are in the first form.
func (n Node) Proto(names ...string) Node {
	for _, name := range names {
		if other := n.Field(camel(name)); other.Exists() {
			n = other
		} else {
			n = n.Field(name)
		}
	}
	return n
}

// ProtoOthers is Others for a message of protobuf.
func (n Node) ProtoOthers(known ...string) []Field {
	spellings := []string{"@type"}
	for _, name := range known {
		spellings = append(spellings, name, camel(name))
	}
	return n.Others(spellings...)
}

// camel returns the name of a field in camel case.
func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts {
		if i > 0 && part != "" {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// Entries are the entries of a list, or n itself if it is one value: some readers take a
// single value for a list of one.
func (n Node) Entries() []Node {
	if n.IsList() || !n.Exists() {
		return n.Items()
	}
	return []Node{n}
}

// IsQuoted reports whether n is a text, not a number or a truth value.
func (n Node) IsQuoted() bool { return n.IsText() && n.target().ShortTag() == "!!str" }
