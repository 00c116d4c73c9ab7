package policyfile

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/internal/near"
)

// suggestion is what a hint says to write.
type suggestion struct {
	text  string // YAML, in place of the value
	alone bool   // in place of the whole list
	key   bool   // text is the name of a field
	under string // the mapping that the field is to be moved to, if any
}

var (
	quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	bareText   = regexp.MustCompile(`write (true|false|\d+) without quotes`)
	wordList   = regexp.MustCompile(`^write ([a-z-]+(?:, [a-z-]+)* or [a-z-]+)(?:, or list|$)`)
	fieldList  = regexp.MustCompile(`^write one of (.+)$`)
	wholeList  = regexp.MustCompile(`write (?:a list: )?(\[.*\])`)
	moved      = regexp.MustCompile(`^write ("\w+") (under cors|in a policy|at the top)`)
	// notToWrite are the texts in quotes that are no value of the field.
	notToWrite = regexp.MustCompile(`"[^"]*" under dangerously|the host's "xn--" form|check the spelling of "[^"]*"|"\w+" is there already|"name: api"|write "policies: \[\]" if|with "\*" and without credentials|"apps: \[[^"]*|\{file: origins.txt\}|such as "tenants.txt"|"[^"]*" under hosts`)
)

// suggestions returns what d says to write.
func suggestions(d Diagnostic) []suggestion {
	var list []suggestion
	hint := notToWrite.ReplaceAllString(d.Hint, "")
	if m := moved.FindStringSubmatch(hint); m != nil && d.Code == "unknown-field" {
		return []suggestion{{text: m[1], key: true, under: m[2]}}
	}
	if m := wholeList.FindStringSubmatch(hint); m != nil {
		return []suggestion{{text: m[1], alone: true}}
	}
	key := d.Code == "unknown-field"
	for _, text := range quotedText.FindAllString(hint, -1) {
		list = append(list, suggestion{text: text, key: key, alone: text == `"*"`})
	}
	if m := bareText.FindStringSubmatch(hint); m != nil {
		list = append(list, suggestion{text: m[1]})
	}
	words := wordList.FindStringSubmatch(hint)
	if key {
		words = fieldList.FindStringSubmatch(hint)
	}
	if words != nil {
		for _, word := range regexp.MustCompile(`, | or `).Split(words[1], -1) {
			list = append(list, suggestion{text: word, key: key})
		}
	}
	return list
}

// foundNode is the node of a diagnostic.
type foundNode struct {
	node, parent *yaml.Node
	index        int // of node in parent
}

// nodeAt returns the innermost node at the place of d.
func nodeAt(root *yaml.Node, d Diagnostic) (found foundNode) {
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if c.Line == d.Line && c.Column == d.Column {
				found = foundNode{c, n, i}
			}
			walk(c)
		}
	}
	walk(root)
	return found
}

// try loads fsys with s in place of what d is about, and returns the errors
// that are there then and concern the same field.
func try(fsys fstest.MapFS, d Diagnostic, s suggestion) ([]Diagnostic, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(fsys[d.File].Data, &root); err != nil {
		return nil, err
	}
	at := nodeAt(&root, d)
	if at.node == nil {
		return nil, errors.New("no node stands there")
	}
	if err := at.replace(&root, s); err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(&root)
	if err != nil {
		return nil, err
	}
	changed := maps.Clone(fsys)
	changed[d.File] = &fstest.MapFile{Data: text}
	before := map[string]bool{}
	for _, had := range Load(fsys, "").Diagnostics {
		before[identity(had)] = true
	}
	var bad []Diagnostic
	for _, now := range Load(changed, "").Diagnostics {
		lifted := strings.Contains(now.Hint, "under dangerously")
		if now.Level == policy.Error && !before[identity(now)] && !lifted && concerns(now, d, s) {
			bad = append(bad, now)
		}
	}
	return bad, nil
}

func identity(d Diagnostic) string { return d.Code + " " + d.Field + " " + d.Value }

// concerns reports whether an error is about what the suggestion is for.
func concerns(now, d Diagnostic, s suggestion) bool {
	if s.key {
		return now.Code == "unknown-field" || now.Code == "yaml-duplicate-key"
	}
	return strings.HasPrefix(inPolicy(now.Field), strings.TrimRight(inPolicy(d.Field), "[0]")) || strings.HasPrefix(now.Code, "yaml-syntax")
}

// inPolicy cuts the policy off a field.
func inPolicy(field string) string {
	return regexp.MustCompile(`^policies\[\d+\]\.?`).ReplaceAllString(field, "")
}

func (at foundNode) replace(root *yaml.Node, s suggestion) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s.text), &doc); err != nil {
		return fmt.Errorf("%s: %w", s.text, err)
	}
	value := doc.Content[0]
	switch {
	case s.key:
		at.node.Value, at.node.Style = value.Value, 0
		return at.move(root, s.under)
	case s.alone && at.parent.Kind == yaml.SequenceNode && value.Kind == yaml.SequenceNode:
		*at.parent = *value
	case s.alone && at.parent.Kind == yaml.SequenceNode:
		at.parent.Content = []*yaml.Node{value}
	case at.parent.Kind == yaml.MappingNode && at.index%2 == 0 && at.parent.Content[at.index].Value != "":
		// The place of a mapping is that of its first name; of a field whose
		// value is more than a word, its name.
		*at.parent.Content[at.index+1] = *value
	default:
		*at.node = *value
	}
	return nil
}

// move moves a field and its value.
func (at foundNode) move(root *yaml.Node, under string) error {
	if under == "" {
		return nil
	}
	pair := slices.Clone(at.parent.Content[at.index : at.index+2])
	at.parent.Content = slices.Delete(at.parent.Content, at.index, at.index+2)
	top := root.Content[0]
	home := top
	if policies := child(top, "policies"); under != "at the top" && len(policies.Content) > 0 {
		home = policies.Content[0]
	}
	if under == "under cors" && child(home, "cors") == nil {
		home.Content = append(home.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "cors"}, &yaml.Node{Kind: yaml.MappingNode})
	}
	if under == "under cors" {
		home = child(home, "cors")
	}
	if child(home, pair[0].Value) == nil {
		home.Content = append(home.Content, pair...)
	}
	return nil
}

func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// checkSuggestions writes what the diagnostics of fsys suggest, and wants each
// to be accepted. It returns how many there were.
func checkSuggestions(t *testing.T, fsys fstest.MapFS) (tried int) {
	t.Helper()
	for _, d := range Load(fsys, "").Diagnostics {
		aboutRegex := strings.HasPrefix(d.Code, "regex-") || strings.Contains(d.Field, ".allowOriginRegexes[")
		if strings.HasPrefix(d.Code, "yaml-") && d.Field == "" || filepath.Ext(d.File) == ".txt" || aboutRegex {
			continue
		}
		for _, s := range suggestions(d) {
			tried++
			bad, err := try(fsys, d, s)
			if err != nil {
				t.Errorf("%s\n\t%s: %v", d, s.text, err)
			}
			for _, b := range bad {
				t.Errorf("%s\n\t%s is refused: %s", d, s.text, b)
			}
		}
	}
	return tried
}

func TestSuggestionsOfGoldenCasesAreAccepted(t *testing.T) {
	tried := 0
	for _, file := range goldenFiles(t) {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tried += checkSuggestions(t, filesOf(archive))
	}
	if tried < 100 {
		t.Errorf("only %d suggestions found", tried)
	}
}

// mutated are files with a field, %s for its value, and values to mutate.
var mutated = []struct {
	file   string
	values []string
}{
	{`originGroups: {g: [%s]}`, []string{"https://app.example.com", "http://localhost:3000", "https://*.example.com", "app://."}},
	{`{policies: [{name: a, cors: {allowOrigins: [%s]}}], originGroups: {g: ["https://app.example.com"]}}`, []string{
		"https://app.example.com", "http://localhost:3000", "https://[2001:db8::1]:8443", "https://*.example.com", "https://app-*.example.com:*",
		"https://127.0.0.1", "https://xn--bcher-kva.example", "app://.", "capacitor://localhost", "file://", "null", "*", "example.com", "localhost", "group:g"}},
	{`policies: [{name: a, cors: {allowOrigins: %s}}]`, []string{"https://app.example.com", "https://a.example.com,https://b.example.com", "*"}},
	{`policies: [{name: a, hosts: [%s], cors: {allowOrigins: ["*"]}}]`, []string{"api.example.com", "*.example.com", "127.0.0.1", "[::1]", "xn--bcher-kva.example"}},
	{`policies: [{name: a, hosts: %s, cors: {allowOrigins: ["*"]}}]`, []string{"api.example.com", "a.example.com, b.example.com"}},
	{`policies: [{name: a, paths: [%s], cors: {allowOrigins: ["*"]}}]`, []string{"/v1", "/", "/v1/a%2Fb", "/v1/~user"}},
	{`policies: [{name: a, paths: %s, cors: {allowOrigins: ["*"]}}]`, []string{"/v1", "/v1 /v2"}},
	{`policies: [{name: %s, cors: {allowOrigins: ["*"]}}]`, []string{"api", "my-api-2"}},
	{`policies: [{name: a, mode: %s, cors: {allowOrigins: ["*"]}}]`, []string{"shadow", "off"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], allowMethods: [%s]}}]`, []string{"PUT", "PATCH", "*"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], allowMethods: %s}}]`, []string{"GET, PUT", "PUT"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], allowHeaders: [%s]}}]`, []string{"content-type", "X-A", "authorization"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], allowHeaders: %s}}]`, []string{"content-type, x-a"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], exposeHeaders: [%s]}}]`, []string{"x-request-id"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], exposeHeaders: %s}}]`, []string{"x-a,x-b"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], maxAge: %s}}]`, []string{"600", "10m", "24h0m0s", "86400s", "1 day", "2 hours", "-1", "0", "1e3", "010"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"]}, preflightStatus: %s}]`, []string{"204", "200", "201", "204.0", "0204"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"]}, debug: %s}]`, []string{"true", "no", "1"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"], allowCredentials: %s}}]`, []string{"true", "include", "off"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"]}, dangerously: [%s]}]`, []string{"null-origin"}},
	{`policies: [{name: a, cors: {allowOrigins: ["*"]}, dangerously: %s}]`, []string{"null-origin"}},
}

// mutations are ways to write a value wrongly.
var mutations = []func(string) string{
	func(s string) string { return s },
	strings.ToUpper,
	strings.ToLower,
	func(s string) string { return " " + s },
	func(s string) string { return s + " " },
	func(s string) string { return s + "/" },
	func(s string) string { return s + "//" },
	func(s string) string { return "/" + s },
	func(s string) string { return s + "/*" },
	func(s string) string { return s + "/index.html?q=1#x" },
	func(s string) string { return s + "?" },
	func(s string) string { return s + "." },
	func(s string) string { return s + ".." },
	func(s string) string { return "." + s },
	func(s string) string { return "*." + s },
	func(s string) string { return "**." + s },
	func(s string) string { return s + "*" },
	func(s string) string { return s + ":80" },
	func(s string) string { return s + ":443" },
	func(s string) string { return s + ":*" },
	func(s string) string { return s + ":" },
	func(s string) string { return s + "," },
	func(s string) string { return s + ";" + s },
	func(s string) string { return s + "|" + s },
	func(s string) string { return s + ", " + s },
	func(s string) string { return s + " " + s },
	func(s string) string { return s + "\n" + s },
	func(s string) string { return "'" + s + "'" },
	func(s string) string { return `"` + s + `"` },
	func(s string) string { return "`" + s + "`" },
	func(s string) string { return "“" + s + "”" },
	func(s string) string { return "<" + s + ">" },
	func(s string) string { return "[" + s + "]" },
	func(s string) string { return "^" + regexp.QuoteMeta(s) + "$" },
	func(s string) string { return "/" + strings.ReplaceAll(regexp.QuoteMeta(s), "/", `\/`) + "/" },
	func(s string) string { return "~^" + s + "$" },
	func(s string) string { return s + ".*" },
	func(s string) string { return ".*" + s },
	func(s string) string { return "(" + s + "|x)" },
	func(s string) string { return s + "[0-9]+" },
	func(s string) string { return "https://" + s },
	func(s string) string { return "http:/" + s },
	func(s string) string { return "https:" + s },
	func(s string) string { return "https//" + s },
	func(s string) string { return "//" + s },
	func(s string) string { return "wss://" + s },
	func(s string) string { return "*://" + s },
	func(s string) string { return "HTTPS://" + s },
	func(s string) string { return "https://user@" + s },
	func(s string) string { return strings.Replace(s, "://", ":///", 1) },
	func(s string) string { return strings.Replace(s, "://", ":/", 1) },
	func(s string) string { return strings.Replace(s, "https://", "", 1) },
	func(s string) string { return strings.Replace(s, "https://", "https://user:pw@", 1) },
	func(s string) string { return strings.Replace(s, "https://", "wss://", 1) },
	func(s string) string { return strings.Replace(s, "example", "bücher", 1) },
	func(s string) string { return strings.Replace(s, "example", "xn--f", 1) },
	func(s string) string { return strings.Replace(s, ".", "..", 1) },
	func(s string) string { return "${" + s + "}" },
	func(s string) string { return "$ORIGIN" + s },
	func(s string) string { return "{{ .Values." + s + " }}" },
	func(s string) string { return "%" + s + "%" },
	func(s string) string { return s + "%61" },
	func(s string) string { return s + "/../x" },
	func(s string) string { return strings.Repeat(s, 40) + "/" },
	func(s string) string { return s + "\u00a0" },
}

// yamlForms are ways to write a text in YAML, and what other systems write.
var yamlForms = []string{
	"%q", "%s", "{exact: %q}", "{prefix: %q}", "{regex: %q}", "{suffix: %q}", "{safe_regex: {google_re2: {}, regex: %q}}", "{type: Exact, value: %q}",
	"{https: %q}", "[%q]", "[]", "{}", "~", "", "12", "1.5", "true", "2001-01-01", "0x10", "*a",
}

func TestSuggestionsForMutatedValuesAreAccepted(t *testing.T) {
	tried := 0
	for _, m := range mutated {
		for _, value := range m.values {
			for _, mutate := range mutations {
				tried += checkSuggestions(t, files("p.yaml", fmt.Sprintf(m.file, strconv.Quote(mutate(value)))))
			}
			for _, form := range yamlForms {
				if strings.Contains(form, "%") {
					form = fmt.Sprintf(form, value)
				}
				tried += checkSuggestions(t, files("p.yaml", fmt.Sprintf(m.file, form)))
			}
		}
	}
	t.Logf("%d suggestions", tried)
	if tried < 1000 {
		t.Errorf("only %d suggestions found", tried)
	}
}

// The fields of other systems, at each place where they may be written.
func TestSuggestionsForForeignFieldsAreAccepted(t *testing.T) {
	const value = `["x"]`
	for _, f := range theirs {
		ours := f.ours[strings.LastIndexByte(f.ours, '.')+1:]
		for _, name := range append(strings.Fields(f.names), ours, strings.ToUpper(ours), ours+"s", "x_"+ours, "Access-Control-"+ours, "cors-"+ours, "example.com/cors-"+ours) {
			for _, file := range []string{
				"%s: %s\npolicies: [{name: a}]\n",
				"policies: [{name: a, %s: %s}]\n",
				"policies: [{name: a, cors: {%s: %s}}]\n",
				"policies: [{name: a, hosts: [a.test], paths: [/x], cors: {allowOrigins: ['*'], allowMethods: [PUT], %s: %s}}]\noriginGroups: {}\n",
				"originGroups: {g: {%s: %s}}\npolicies: [{name: a}]\n",
			} {
				checkSuggestions(t, fstest.MapFS{"p.yaml": {Data: fmt.Appendf(nil, file, name, value)}})
			}
		}
	}
}

// Each name in the table of fields is one of the policy file.
func TestForeignFieldsStandForOurs(t *testing.T) {
	for _, f := range theirs {
		if got := oursFor(f.ours[strings.LastIndexByte(f.ours, '.')+1:]); got != f.ours {
			t.Errorf("oursFor(%q) = %q", f.ours, got)
		}
		seen := map[string]bool{}
		for _, name := range strings.Fields(f.names) {
			if name != near.Plain(name) || seen[name] {
				t.Errorf("%s: %q is written twice, or not as plain writes it", f.ours, name)
			}
			seen[name] = true
			if got := oursFor(name); got != f.ours {
				t.Errorf("oursFor(%q) = %q, want %q", name, got, f.ours)
			}
		}
	}
}
