package tree

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// merge puts the fields that "<<" names into the mappings at and below n, behind their own,
// which count before them (YAML, Merge Key Language-Independent Type). What is no mapping
// stays there.
func merge(n *yaml.Node) {
	for _, c := range n.Content {
		merge(c)
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	var own, merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if from := sources(n.Content[i], n.Content[i+1]); from != nil {
			merged = append(merged, from...)
			continue
		}
		own = append(own, n.Content[i], n.Content[i+1])
	}
	have := map[string]bool{}
	for i := 0; i < len(own); i += 2 {
		have[own[i].Value] = true
	}
	for i := 0; i+1 < len(merged); i += 2 {
		if key := merged[i].Value; !have[key] {
			have[key] = true
			own = append(own, merged[i], merged[i+1])
		}
	}
	n.Content = own
}

// sources returns the keys and values that a merge key brings, of several mappings the first
// one's first. If there are none, it returns nil.
func sources(key, value *yaml.Node) (all []*yaml.Node) {
	if key.ShortTag() != "!!merge" {
		return nil
	}
	value = Node{node: value}.target()
	list := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		list = value.Content
	}
	for _, from := range list {
		if from = (Node{node: from}).target(); from.Kind != yaml.MappingNode {
			return nil
		}
		all = append(all, from.Content...)
	}
	return all
}

// resolve resolves merge keys, and removes fields of the root that are only there for the
// anchors in them, such as "x-cors: &cors": what they hold counts at its aliases.
func resolve(root *yaml.Node) {
	used := map[*yaml.Node]bool{}
	walk(root, func(n *yaml.Node) { used[n.Alias] = true })
	merge(root)
	if root.Kind != yaml.MappingNode {
		return
	}
	for i := len(root.Content) - 2; i >= 0; i -= 2 {
		held := false
		walk(root.Content[i+1], func(n *yaml.Node) { held = held || used[n] })
		if held && isHolder(root.Content[i].Value) {
			root.Content = slices.Delete(root.Content, i, i+2)
		}
	}
}

// isHolder reports whether systems that refuse unknown fields, or are used to them, leave a
// field of this name alone.
func isHolder(name string) bool {
	return strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || name == "anchors" || name == "aliases"
}

// repeated returns a key that a mapping at or below n has twice.
func repeated(n *yaml.Node) (first, again *yaml.Node) {
	walk(n, func(n *yaml.Node) {
		if n.Kind != yaml.MappingNode || again != nil {
			return
		}
		keys := map[string]*yaml.Node{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
				continue
			}
			if first = keys[key.Value]; first != nil {
				again = key
				return
			}
			keys[key.Value] = key
		}
	})
	return first, again
}

// walk calls visit for n and what is in it; it does not follow aliases.
func walk(n *yaml.Node, visit func(*yaml.Node)) {
	visit(n)
	for _, c := range n.Content {
		walk(c, visit)
	}
}
