package policyfile

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns what the schema says of a YAML document.
func validate(s *jsonschema.Schema, text []byte) error {
	var v any
	if err := yaml.Load(text, &v); err != nil {
		return err
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		return err
	}
	return s.Validate(instance)
}

// schemaCodes are the codes of mistakes in the shape of a file, which the
// schema finds too. Those of a group file's lines it cannot see.
var schemaCodes = []string{
	"unknown-field", "yaml-type", "unknown-value", "preflight-status", "opt-in-unknown", "name-missing", "name-syntax",
	"group-name", "group-nested", "method-token", "header-token", "expose-token", "origin-path", "origin-trailing-slash", "origin-case",
	"origin-empty", "origin-whitespace", "origin-userinfo", "path-slash", "path-star", "path-query", "host-star", "host-case", "host-path",
	"host-scheme", "host-port", "host-empty", "hosts-empty", "paths-empty", "max-age-negative", "max-age-too-large", "max-age-syntax", "origins-missing",
}

// TestSchemaAgreesWithTheDecoderOnFiles holds the schema against all policy
// files of the tests: what is accepted validates, and what has a mistake in
// its shape does not.
func TestSchemaAgreesWithTheDecoderOnFiles(t *testing.T) {
	s := compiledSchema(t)
	accepted, refused := 0, 0
	for name, fsys := range corpus(t) {
		r := Load(fsys, "")
		for file, found := range byFile(r, fsys) {
			data, err := fs.ReadFile(fsys, file)
			if err != nil {
				continue // a folder that is called like a file
			}
			err = validate(s, data)
			switch {
			case len(found) == 0:
				accepted++
				if err != nil {
					t.Errorf("%s: %s loads, and the schema says %v", name, file, err)
				}
			case slices.ContainsFunc(found, func(d Diagnostic) bool { return slices.Contains(schemaCodes, d.Code) }):
				refused++
				if err == nil {
					t.Errorf("%s: %s validates, and has %v", name, file, found)
				}
			}
		}
	}
	if accepted < 40 || refused < 5 {
		t.Errorf("only %d accepted and %d refused files", accepted, refused)
	}
}

// corpus returns the policy files of the golden files, of the decision cases,
// and the samples.
func corpus(t *testing.T) map[string]fs.FS {
	t.Helper()
	all := map[string]fs.FS{}
	for _, name := range goldenFiles(t) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = filesOf(archive)
	}
	cases, err := filepath.Glob("../cases/suite/*.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no case files: %v", err)
	}
	for _, name := range cases {
		addCases(t, all, name)
	}
	all["samples"] = os.DirFS("../../envoy/policies")
	for version, dir := range samples(t) {
		all["accepted by "+version] = os.DirFS(dir)
	}
	return all
}

// addCases adds the policies of a case file and of its load cases.
func addCases(t *testing.T, all map[string]fs.FS, name string) {
	t.Helper()
	type set struct {
		Policies yaml.Node         `yaml:"policies"`
		Groups   map[string]string `yaml:"groups"`
	}
	var file struct {
		set  `yaml:",inline"`
		Load []set `yaml:"load"`
	}
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Load(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range append(file.Load, file.set) {
		data, err := yaml.Dump(&s.Policies)
		if err != nil || s.Policies.IsZero() {
			continue
		}
		fsys := fstest.MapFS{"policies.yaml": {Data: data}}
		for group, origins := range s.Groups {
			fsys[group] = &fstest.MapFile{Data: []byte(origins)}
		}
		all[fmt.Sprint(name, " ", i)] = fsys
	}
}

// byFile returns the errors of each policy file.
func byFile(r Result, fsys fs.FS) map[string][]Diagnostic {
	found := map[string][]Diagnostic{}
	entries, _ := fs.ReadDir(fsys, ".")
	for _, e := range entries {
		if IsPolicyFile(e.Name()) {
			found[e.Name()] = nil
		}
	}
	for _, d := range r.Diagnostics {
		if _, is := found[d.File]; is && isError(d) {
			found[d.File] = append(found[d.File], d)
		}
	}
	return found
}

// part is a part of the schema.
type part struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Items      struct{ Enum []any }       `json:"items"`
	Enum       []any                      `json:"enum"`
}

// parts returns the objects of the schema by their names.
func parts(t *testing.T) map[string]part {
	t.Helper()
	var doc struct {
		part
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(Schema()), &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]part{"": doc.part}
	for _, name := range []string{"policy", "cors"} {
		var p part
		if err := json.Unmarshal(doc.Defs[name], &p); err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

func keys[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// hintOf loads text and returns the hint of the diagnostic with that code.
func hintOf(t *testing.T, text, code string) string {
	t.Helper()
	for _, d := range loadText(text).Diagnostics {
		if d.Code == code {
			return d.Hint
		}
	}
	t.Fatalf("no %s in %s", code, text)
	return ""
}

func loadText(text string) Result {
	return Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, "")
}

// words returns what a hint like "write a, b or c" proposes.
func words(hint string) []string {
	list := regexp.MustCompile(`, | or `).Split(strings.TrimPrefix(strings.TrimPrefix(hint, "write "), "one of "), -1)
	slices.Sort(list)
	return list
}

func TestSchemaHasTheFieldsOfTheDecoder(t *testing.T) {
	const unknown = "thereisnosuchfieldanywhere: 1"
	all := parts(t)
	for name, text := range map[string]string{
		"":       unknown,
		"policy": "policies: [{" + unknown + "}]",
		"cors":   "policies: [{cors: {" + unknown + "}}]",
	} {
		if diff := cmp.Diff(words(hintOf(t, text, "unknown-field")), keys(all[name].Properties)); diff != "" {
			t.Errorf("%q: - decoder, + schema\n%s", name, diff)
		}
	}
	for name, v := range map[string]any{"policy": policy.Spec{}, "cors": policy.CORS{}} {
		var fields []string
		for i := range reflect.TypeOf(v).NumField() {
			field, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			fields = append(fields, field)
		}
		slices.Sort(fields)
		if diff := cmp.Diff(fields, keys(all[name].Properties)); diff != "" {
			t.Errorf("%q: - spec, + schema\n%s", name, diff)
		}
	}
}

func TestSchemaHasTheWordsOfTheDecoder(t *testing.T) {
	checked := 0
	for field, raw := range parts(t)["policy"].Properties {
		var p part
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		code, value := "unknown-value", "thereisnosuchword"
		switch {
		case len(p.Items.Enum) > 0:
			p.Enum, code, value = p.Items.Enum, "opt-in-unknown", "[thereisnosuchword]"
		case field == "preflightStatus":
			continue // a number: see the next test
		case len(p.Enum) == 0:
			continue
		}
		checked++
		var have []string
		for _, word := range p.Enum {
			have = append(have, fmt.Sprint(word))
		}
		slices.Sort(have)
		hint := hintOf(t, fmt.Sprintf("policies: [{name: a, cors: {allowOrigins: [https://a.test]}, %s: %s}]", field, value), code)
		if diff := cmp.Diff(words(hint), have); diff != "" {
			t.Errorf("%s: - decoder, + schema\n%s", field, diff)
		}
	}
	if checked < 6 {
		t.Errorf("only %d fields with words", checked)
	}
}

// TestSchemaAgreesWithTheDecoderOnValues writes values of every kind, and at
// every bound, into every field.
func TestSchemaAgreesWithTheDecoderOnValues(t *testing.T) {
	s := compiledSchema(t)
	values := []string{
		"null", "true", "-1", "0", "1", "200", "204", "201", "86401", "2147483647", "2147483648", "1.5", `""`, "word", `"10m"`, `"1h30m"`, `"10"`, `"0"`, `"-1m"`, `"90.0s"`,
		"[]", "[1]", "[null]", "[word]", `[""]`, "[https://a.test]", "[group:none]", "[/v1]", `["*"]`, "[a.test]", `["*.a.test"]`, "[[a]]", "{}", "{file: a.txt}", "[enforce]",
		"enforce", "shadow", "off", "replace", "defer", "pass", "block", "block-unsafe", "reject", "forward", "full", "requested", "a.b", "A",
	}
	agreed := 0
	for _, name := range []string{"", "policy", "cors"} {
		for field := range parts(t)[name].Properties {
			for _, value := range values {
				text := documentWith(name, field, value)
				r := loadText(text)
				if !onlyShape(r) || isSilentDefault(field, value) {
					continue
				}
				agreed++
				if err := validate(s, []byte(text)); (err == nil) == r.HasErrors() {
					t.Errorf("%s\ndecoder: %v\nschema: %v", text, r.Diagnostics, err)
				}
			}
		}
	}
	if agreed < 500 {
		t.Errorf("only %d documents", agreed)
	}
}

// documentWith returns a document that is right but for one field.
func documentWith(part, field, value string) string {
	set := func(fields ...string) string {
		fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, field+":") })
		return strings.Join(append(fields, field+": "+value), ", ")
	}
	switch part {
	case "policy":
		return "policies: [{" + set("name: a", "cors: {allowOrigins: [https://a.test]}") + "}]"
	case "cors":
		return "policies: [{name: a, dangerously: [origin-regex], cors: {" + set("allowOrigins: [https://a.test]") + "}}]"
	}
	return "{" + set() + "}"
}

// isSilentDefault reports whether a value is what the decoder takes for the
// default of a field with words. No editor should propose it.
func isSilentDefault(field, value string) bool {
	silent := map[string]string{
		"mode": `""`, "upstreamHeaders": `""`, "unmatchedPreflights": `""`, "deniedRequests": `""`, "preflightLists": `""`, "preflightStatus": "0",
	}
	return silent[field] == value
}

// onlyShape reports whether the decoder's errors are about the shape alone.
func onlyShape(r Result) bool {
	for _, d := range r.Diagnostics {
		if isError(d) && !slices.Contains(schemaCodes, d.Code) {
			return false
		}
	}
	return true
}
