package importertest

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

// Import imports a text in YAML, and returns what came of it, with what sends requests through
// the policies to Application.
func Import(t *testing.T, read func(docs []tree.Node) source.Config, text string) (importer.Result, Send) {
	t.Helper()
	config, err := Documents(read)([]source.File{{Path: "input.yaml", Text: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	result := importer.Translate(importer.Options{}, config)
	return result, Through(t, result.Policies, Application)
}
