package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// malformed is a file that is not a single YAML document.
type malformed struct {
	at pos
	Diagnostic
}

var errDepth = fmt.Errorf("lists and mappings nest deeper than %d levels", MaxDepth)

// checkDepth is called by the scanner at each level, so that a file of only brackets costs
// no more than its first levels.
func checkDepth(depth int, _ *yaml.DepthContext) error {
	if depth > MaxDepth {
		return errDepth
	}
	return nil
}

// tagDirective finds a directive that names a prefix of tags. Each tag would have a copy of
// the prefix.
var tagDirective = regexp.MustCompile(`(?:^|[\r\n\x{85}\x{2028}\x{2029}])%TAG`)

// parse returns the root of the one document in data, which has at most that
// many nodes.
func parse(data []byte, nodes int) (*yaml.Node, *malformed) {
	if at, many := manyNodes(data, nodes); many {
		return nil, &malformed{at, Diagnostic{
			Code: "yaml-nodes", Reason: fmt.Sprintf("the file has more than %d words, lists and mappings", nodes),
			Hint: "list origins in a group file, as {file: origins.txt}, or write several policy files",
		}}
	}
	if found := tagDirective.FindIndex(data); found != nil {
		return nil, &malformed{pos{int32(bytes.Count(data[:found[1]], []byte("\n"))) + 1, 1}, Diagnostic{
			Code: "yaml-tag-directive", Reason: "no value of a policy file has a tag of its own", Hint: "remove the directive",
		}}
	}
	limit := yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthFunc(checkDepth)))
	loader, err := yaml.NewLoader(bytes.NewReader(data), limit)
	if err != nil {
		return nil, syntaxError(data, err)
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, &malformed{top, Diagnostic{Code: "yaml-empty", Reason: "the file has no content", Hint: `write "policies: []" if none is meant`}}
	} else if err != nil {
		return nil, syntaxError(data, err)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, &malformed{posOf(&second), Diagnostic{Code: "yaml-documents", Reason: "the file has more than one YAML document", Hint: `write each into a file of its own`}}
	case !errors.Is(err, io.EOF):
		return nil, syntaxError(data, err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return &doc, nil
}

// manyNodes reports whether data may have more than most nodes, before they are made: a node
// needs a hundred times the memory of a byte of text. It returns the place where they are
// too many.
func manyNodes(data []byte, most int) (at pos, many bool) {
	at = top
	for i := range data {
		if most -= nodesAt(data, i); most < 0 {
			return at, true
		}
		if at.col++; data[i] == '\n' {
			at = pos{at.line + 1, 1}
		}
	}
	return top, false
}

// nodesAt returns how many nodes the byte at i may begin or end. The sum over all bytes is
// never below the number of nodes.
func nodesAt(data []byte, i int) int {
	before, after := byte('\n'), byte('\n')
	if i > 0 {
		before = data[i-1]
	}
	if i+1 < len(data) {
		after = data[i+1]
	}
	inText := false
	nodes := 2 // a name and its value, also if one of them is left out
	switch data[i] {
	case ',', '?', '[', '{':
	case ':':
		inText = isLetter(before) && after == '/' // as in "https://"
	case '-':
		nodes, inText = 1, ' ' < after && after < 0x80 // as in a name
	case '&', '!', '#': // of an anchor, a tag and a comment, which cost as much
		nodes = 1
	default:
		inText = true
	}
	if inText {
		return 0
	}
	return nodes
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func posOf(n *yaml.Node) pos {
	return pos{max(1, int32(n.Line)), max(1, int32(n.Column))}
}

// syntaxError gives an error of the parser its place, its code and, if the
// mistake is a common one, a hint.
func syntaxError(data []byte, err error) *malformed {
	bad := malformed{top, Diagnostic{Code: "yaml-syntax", Reason: err.Error()}}
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		return &bad
	}
	bad.at = markOf(e)
	bad.Reason = strings.TrimSpace(e.Message + " " + e.ContextMsg)
	switch {
	case strings.Contains(e.Message, errDepth.Error()):
		bad.Code, bad.Reason = "yaml-nesting", errDepth.Error()
	case strings.HasPrefix(e.Message, "unknown anchor"):
		bad.Code, bad.Hint = "yaml-anchor", `quote a star that is not an alias, as in "*.example.com"`
	case strings.Contains(e.ContextMsg, "alias"):
		bad.Hint = `quote the star: "*"`
	case byteAt(data, bad.at) == '\t':
		bad.Hint = "indent with spaces, not with tabs"
	case strings.Contains(e.Message, "escape"), strings.Contains(e.Message, "hexadecimal"):
		bad.Hint = `write the text in single quotes, in which "\" stands for itself`
	case strings.Contains(e.ContextMsg, "block mapping"), strings.Contains(e.ContextMsg, "block collection"):
		bad.Hint = "check the indentation of this line"
	case strings.Contains(e.Message, "mapping values are not allowed"):
		bad.Hint = `check the indentation of this line, and quote a text that has ": " in it`
	}
	return &bad
}

// markOf returns the place of e.
func markOf(e *yaml.LoadError) pos {
	mark := e.Mark
	if mark.Line == 0 {
		mark = e.ContextMark
	}
	return pos{max(1, int32(mark.Line)), max(1, int32(mark.Column))}
}

// byteAt returns the byte at a place, as far as the line is ASCII, else 0.
func byteAt(data []byte, at pos) byte {
	for range at.line - 1 {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	if int(at.col) > len(data) {
		return 0
	}
	return data[at.col-1]
}
