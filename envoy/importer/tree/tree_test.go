package tree_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

func TestParse(t *testing.T) {
	docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte("kind: List\nitems:\n- kind: Ingress\n  apiVersion: networking.k8s.io/v1\n  metadata: {name: shop, namespace: web}\n  spec: &s {on: [1, x]}\n  copy: *s\n---\n\n---\nkind: Pod\n")})
	if err != nil {
		t.Fatal(err)
	}
	docs = tree.Unlist(docs)
	if len(docs) != 2 {
		t.Fatalf("%d documents, want 2", len(docs))
	}
	o, ok := tree.ObjectOf(docs[0])
	if !ok || o.Group != "networking.k8s.io" || o.Kind != "Ingress" || o.Namespace != "web" || o.Name != "shop" {
		t.Errorf("object %+v", o)
	}
	x := o.Field("copy", "on").Items()[1]
	if x.String() != "x" || x.Path() != "items[0].copy.on[1]" || x.Place().String() != "a.yaml:6:21" {
		t.Errorf("%q at %q, %s", x, x.Path(), x.Place())
	}
	if text, err := o.Field("copy").JSON(); err != nil || string(text) != `{"on":[1,"x"]}` {
		t.Errorf("JSON %s, %v", text, err)
	}
	if missing := o.Field("spec", "off", "more"); missing.Exists() || missing.Path() != "items[0].spec.off.more" || missing.Fields() != nil || missing.String() != "" {
		t.Errorf("a missing field is %+v", missing)
	}
	if others := o.Others("kind", "apiVersion", "metadata", "copy"); len(others) != 1 || others[0].Key.Text != "spec" || others[0].Name() != "spec" {
		t.Errorf("others: %+v", others)
	}
}

// A merge key brings the fields of others, behind those that are written; fields that only
// hold anchors are left out.
func TestMergeKeys(t *testing.T) {
	for text, want := range map[string]string{
		"x-cors: &c {a: 1, b: 2}\nd: {<<: *c, b: 3}":               `{"d":{"a":1,"b":3}}`,
		"d: &c {a: 1}\ne: [{b: 2, <<: *c}]":                        `{"d":{"a":1},"e":[{"a":1,"b":2}]}`,
		".a: &a {a: 1}\n_b: [&b {a: 2, b: 2}]\nd: {<<: [*a, *b]}":  `{"d":{"a":1,"b":2}}`,
		"x-a: &a {a: 1}\nx-b: &b {<<: *a, b: 2}\nd: {<<: *b}":      `{"d":{"a":1,"b":2}}`,
		"d: {<<: {a: 1}, b: 2}":                                    `{"d":{"a":1,"b":2}}`,
		"d: {\"<<\": 1}":                                           `{"d":{"\u003c\u003c":1}}`,
		"x-d: {a: 1}":                                              `{"x-d":{"a":1}}`,
		"x-d: &unused {a: 1}":                                      `{"x-d":{"a":1}}`,
		"anchors: {c: &c [1]}\n_format_version: &v '3.0'\nd: [*c]": `{"_format_version":"3.0","d":[[1]]}`,
	} {
		docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)})
		if err != nil || len(docs) != 1 {
			t.Errorf("%s: %d documents, %v", text, len(docs), err)
			continue
		}
		if got, err := docs[0].JSON(); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
		for _, f := range docs[0].Field("d").Fields() {
			if !f.Exists() {
				t.Errorf("%s: the field %s is not there", text, f.Name())
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	if _, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte("a: [")}); err == nil {
		t.Error("an open list was read")
	}
	deep := make([]byte, 300)
	for i := range deep {
		deep[i] = '['
	}
	if _, err := tree.Parse(source.File{Path: "a.yaml", Text: deep}); err == nil {
		t.Error("deep lists were read")
	}
}

func TestAliasesAreBounded(t *testing.T) {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		d := string(rune('0' + i))
		e := string(rune('1' + i))
		text += "a" + e + ": &a" + e + " [*a" + d + ",*a" + d + ",*a" + d + ",*a" + d + ",*a" + d + ",*a" + d + ",*a" + d + ",*a" + d + "]\n"
	}
	for _, text := range []string{text, "a: &a {b: *a}", "&a [*a]"} {
		if _, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)}); err == nil {
			t.Errorf("%.40s: aliases were written out", text)
		}
	}
}

func TestARepeatedFieldIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: 2\na: 3\n":                        `a.yaml:3:1: the field "a" is there twice, in line 1, too`,
		"x:\n- {a: 1, \"a\": 2}\n":                  `a.yaml:2:10: the field "a" is there twice`,
		"x: &x {a: 1}\ny: {<<: *x, <<: *x, a: 2}\n": "",
		"a: {b: 1}\nb: {a: 1}\n":                    "",
	} {
		_, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)})
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The aliases of all documents of a file count together.
func TestAliasesOfAFileAreBounded(t *testing.T) {
	doc := "a: &a [" + strings.Repeat("1,", 1000) + "1]\nb: &b [" + strings.Repeat("*a,", 600) + "*a]\n"
	if _, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(doc)}); err != nil {
		t.Fatal(err)
	}
	_, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(strings.Repeat(doc+"---\n", 3))})
	if err == nil || !strings.Contains(err.Error(), "aliases of the file stand for more than") {
		t.Error(err)
	}
}
