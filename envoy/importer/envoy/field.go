package envoyimport

import (
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// field is Node.Field for the fields of protobuf messages: JSON may spell them in camel
// case, too, as istioctl does.
func field(n tree.Node, names ...string) tree.Node {
	for _, name := range names {
		if other := n.Field(camel(name)); other.Exists() {
			n = other
			continue
		}
		n = n.Field(name)
	}
	return n
}

// others is Node.Others for the fields of protobuf messages.
func others(n tree.Node, known ...string) []tree.Field {
	spellings := []string{"@type"}
	for _, name := range known {
		spellings = append(spellings, name, camel(name))
	}
	return n.Others(spellings...)
}

func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, part := range parts {
		if i > 0 && part != "" {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// items are the entries of a list. Envoy takes a single value for a list of one.
func items(n tree.Node) []tree.Node {
	if n.IsList() || !n.Exists() {
		return n.Items()
	}
	return []tree.Node{n}
}

// isQuoted reports whether n is a text, not a number or a truth value.
func isQuoted(n tree.Node) bool {
	text, err := n.JSON()
	return err == nil && strings.HasPrefix(string(text), `"`)
}

// typeOf returns the name of the message that an Any or a TypedStruct holds: "CorsPolicy".
func typeOf(n tree.Node) string {
	name := n.Field("@type").String()
	return name[strings.LastIndexAny(name, "./")+1:]
}

// unwrap returns the message within a TypedStruct, and n itself if it is none.
func unwrap(n tree.Node) (message tree.Node, name string) {
	name = typeOf(n)
	if name != "TypedStruct" {
		return n, name
	}
	url := field(n, "type_url").String()
	return n.Field("value"), url[strings.LastIndexAny(url, "./")+1:]
}
