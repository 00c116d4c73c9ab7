package importer

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// nginxWords are directives that a part of an nginx.conf may begin with.
var nginxWords = []string{
	"add_header", "more_set_headers", "more_clear_headers", "proxy_hide_header", "set", "if", "map", "geo", "server", "location", "http", "events",
	"upstream", "user", "worker_processes", "include", "load_module", "pid", "error_log", "proxy_pass", "proxy_set_header", "listen", "server_name", "return", "limit_except",
}

// firstWord finds the first word of a line, unless it is a key of YAML.
var firstWord = regexp.MustCompile(`^\s*([a-z_]+)([ \t{;].*|)$`)

// isNginx reports whether a file is an nginx.conf or a part of one: what begins it is a
// directive.
func isNginx(f source.File) bool {
	text, _ := unfenced(f.Text)
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' || string(line) == "..." {
			continue
		}
		m := firstWord.FindSubmatch(line)
		return m != nil && slices.Contains(nginxWords, string(m[1]))
	}
	return false
}

// documents returns the documents of a file that is YAML or JSON, and tells what was mended
// to read it as that.
func documents(f source.File) (docs []tree.Node, told []source.Finding, err error) {
	if hidden := policyfile.CheckText(f.Path, f.Text); len(hidden) > 0 && hidden[0].Code == "text-encoding" {
		return nil, nil, fmt.Errorf("%s", hidden[0])
	}
	mend := func(message string) {
		told = append(told, source.Finding{Fidelity: source.Dropped, Place: source.Place{File: f.Path, Line: 1, Column: 1}, Message: message})
	}
	if text, fenced := unfenced(f.Text); fenced {
		f.Text = text
		mend("what stands around the code blocks is not read")
	}
	if text, cited := uncited(f.Text); cited {
		f.Text = text
		mend("the > of a citation is not read")
	}
	docs, err = tree.Parse(f)
	if text, found := untabbed(f.Text); found && err != nil {
		f.Text = text
		mend("tabs at the beginning of lines are read as two spaces each")
		docs, err = tree.Parse(f)
	}
	if err == nil && !slices.ContainsFunc(docs, isLoose) {
		return docs, told, nil
	}
	literal, errLiteral := tree.Parse(source.File{Path: f.Path, Text: braced(f.Text)})
	if errLiteral != nil || !slices.ContainsFunc(literal, tree.Node.IsMapping) {
		return docs, told, err
	}
	mend("it is read as an object of JavaScript, without what stands around it")
	return literal, told, nil
}

// isLoose reports whether a document has fields with the commas of a programming language:
// "credentials: true,". A text of Traefik's labels is none.
func isLoose(doc tree.Node) bool {
	fields := doc.Fields()
	return len(fields) == 0 && doc.IsText() && !strings.Contains(doc.String(), "traefik.http.") || slices.ContainsFunc(fields, func(f tree.Field) bool { return strings.HasSuffix(f.String(), ",") })
}

var fence = []byte("```")

// unfenced returns text with blank lines in place of what stands around its code blocks, if
// it has some.
func unfenced(text []byte) (inside []byte, fenced bool) {
	if !bytes.HasPrefix(bytes.TrimSpace(text), fence) && !bytes.Contains(text, []byte("\n```")) {
		return text, false
	}
	in := false
	for line := range bytes.Lines(text) {
		switch {
		case bytes.HasPrefix(bytes.TrimSpace(line), fence):
			if in = !in; in && fenced {
				inside = append(inside, "---\n"...) // the next block is a document of its own
				fenced = true
				continue
			}
			fenced = true
			inside = append(inside, '\n')
		case in:
			inside = append(inside, line...)
		default:
			inside = append(inside, '\n')
		}
	}
	return inside, true
}

// uncited returns text without the ">" with which mails cite, if each line has it.
func uncited(text []byte) (bare []byte, cited bool) {
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(">"))
		if !found && len(bytes.TrimSpace(line)) > 0 {
			return text, false
		}
		cited = cited || found
		bare = append(bare, bytes.TrimPrefix(rest, []byte(" "))...)
	}
	return bare, cited
}

// leadingTabs finds tabs at the beginning of a line.
var leadingTabs = regexp.MustCompile(`(?m)^[ ]*\t[ \t]*`)

func untabbed(text []byte) (spaced []byte, found bool) {
	spaced = leadingTabs.ReplaceAllFunc(text, func(blank []byte) []byte { return bytes.ReplaceAll(blank, []byte("\t"), []byte("  ")) })
	return spaced, !bytes.Equal(spaced, text)
}

var (
	// before finds what may stand before an object of JavaScript, and comments those of a line.
	before   = regexp.MustCompile(`^\s*(export\s+default|module\.exports\s*=|(export\s+)?(const|let|var)\s+\w+(\s*:\s*\w+)?\s*=)\s*`)
	comments = regexp.MustCompile(`(?m)^(\s*)//.*$`)
)

// braced returns an object of JavaScript as YAML reads it, with braces if it has none. Lines
// stay as they are.
func braced(text []byte) []byte {
	text = comments.ReplaceAll(text, []byte("$1"))
	text = before.ReplaceAllFunc(text, func(head []byte) []byte { return bytes.Repeat([]byte("\n"), bytes.Count(head, []byte("\n"))) })
	text = bytes.TrimRight(text, " \t\r\n;")
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")) {
		return text
	}
	return append(append([]byte("{"), text...), "\n}"...)
}
