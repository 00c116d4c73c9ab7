package policyfile

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v4"
)

// corsOf names the part of another system's file that is about CORS :: kind of a Kubernetes
// manifest -> its part.
var corsOf = map[string]string{
	"HTTPRoute":      "the cors block of its filter",
	"SecurityPolicy": "the cors block of its spec",
	"VirtualService": "its corsPolicy",
	"Middleware":     "its accessControl fields",
	"Ingress":        "what its annotations say of CORS",
}

// foreign returns what is wrong with a whole file of another system, so that not each of its
// fields is reported as unknown. It returns nil if it is not such a file. If there is no
// root, bad is the error of the parser.
func foreign(data []byte, root *yaml.Node, bad *malformed) *malformed {
	switch {
	case bad != nil && bad.Code != "yaml-syntax":
		return nil
	case root == nil || root.Kind == yaml.ScalarNode:
		return foreignText(data)
	}
	fields := mappingOf(root)
	kind := fields["kind"]
	switch {
	case fields["policies"] != nil, fields["originGroups"] != nil:
		return nil
	case fields["apiVersion"] != nil && kind != nil:
		return foreignFile(root, kind.Value, "this is a Kubernetes manifest", corsOf[kind.Value])
	case mappingOf(fields["http"])["middlewares"] != nil:
		return foreignFile(root, "", "this is a configuration of Traefik", corsOf["Middleware"])
	case fields["static_resources"] != nil, fields["virtual_hosts"] != nil:
		return foreignFile(root, "", "this is a configuration of Envoy", "its CorsPolicy")
	}
	return nil
}

// mappingOf returns the values of a mapping by their names. It returns nothing for another
// node.
func mappingOf(n *yaml.Node) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	if n == nil || n.Kind != yaml.MappingNode {
		return values
	}
	for pair := range slices.Chunk(n.Content, 2) {
		values[pair[0].Value] = pair[1]
	}
	return values
}

// foreignFile is for a file of which part is about CORS.
func foreignFile(root *yaml.Node, kind, reason, part string) *malformed {
	hint := "take " + cmp.Or(part, "what it says of CORS") + intoPolicy
	if kind == "ConfigMap" {
		hint = "write the policy file that it holds into a file of its own, or mount it as a folder"
	}
	return &malformed{posOf(root), Diagnostic{Code: "foreign-file", Value: clip(kind), Reason: reason + ", and a policy file is meant", Hint: hint}}
}

const intoPolicy = " into a policy's cors; README.md has one in section A policy"

// serverText finds the lines of web servers: the blocks of nginx, and what adds
// a header there and in Apache.
var serverText = regexp.MustCompile(`(?m)^[ \t]*(?:(?:server|http|location[ \t][^\n{]*|if[ \t]*\([^\n]*\))[ \t]*\{[ \t\r]*$|` +
	`(?:add_header|more_set_headers|(?i:header[ \t]+(?:always[ \t]+)?(?:set|add|merge)))[ \t])`)

// foreignText is foreign for what is not YAML of fields.
func foreignText(data []byte) *malformed {
	found := serverText.FindIndex(data)
	if found == nil {
		return nil
	}
	line := bytes.Count(data[:found[0]], []byte("\n")) + 1
	return &malformed{pos{int32(line), 1}, Diagnostic{
		Code: "foreign-file", Reason: "this is a web server's configuration, and a policy file is meant",
		Hint: "take what it says of Access-Control headers" + intoPolicy,
	}}
}
