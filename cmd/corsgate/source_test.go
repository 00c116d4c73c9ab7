package main

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestAllVerbsTakePoliciesFromTheSameSources looks for what imports a source of
// policies: sourceOf, and what reads cases, which are files.
func TestAllVerbsTakePoliciesFromTheSameSources(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	may := map[string]bool{"source.go": true, "test.go": true}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.HasPrefix(i.Path.Value, `"`+module+"server/source/") && !may[name] {
				t.Errorf("%s imports %s: take the policies from sourceOf", name, i.Path.Value)
			}
		}
	}
}
