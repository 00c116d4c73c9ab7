package envoyimport

import (
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/tree"
)

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
	url := n.Proto("type_url").String()
	return n.Field("value"), url[strings.LastIndexAny(url, "./")+1:]
}
