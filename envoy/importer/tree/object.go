package tree

import "strings"

// Object is an object of a Kubernetes API.
type Object struct {
	Node
	Group, Kind, Namespace, Name string
}

// ObjectOf returns the object that n is, if it has a kind.
func ObjectOf(n Node) (Object, bool) {
	kind := n.Field("kind").String()
	if kind == "" {
		return Object{}, false
	}
	group, _, versioned := strings.Cut(n.Field("apiVersion").String(), "/")
	if !versioned {
		group = ""
	}
	return Object{
		Node: n, Group: group, Kind: kind,
		Namespace: n.Field("metadata", "namespace").String(),
		Name:      n.Field("metadata", "name").String(),
	}, true
}

// Unlist replaces the lists of Kubernetes ("kind: List", "kind: HTTPRouteList") by their items.
func Unlist(docs []Node) []Node {
	var all []Node
	for _, n := range docs {
		if strings.HasSuffix(n.Field("kind").String(), "List") && n.Field("items").IsList() {
			all = append(all, Unlist(n.Field("items").Items())...)
			continue
		}
		all = append(all, n)
	}
	return all
}
