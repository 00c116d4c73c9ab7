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

// Tally counts the questions that a system and the imported policies answer alike, and those
// that they answer otherwise, as the report says.
type Tally struct{ Same, Excused int }

// Check wants that at least some times as many are answered alike as otherwise.
func (c *Tally) Check(t *testing.T, times int) {
	t.Helper()
	t.Logf("%d questions answered alike, %d otherwise, as the reports say", c.Same, c.Excused)
	if !t.Failed() && c.Same < times*c.Excused {
		t.Errorf("%d questions answered alike, and %d otherwise: the reports excuse too much", c.Same, c.Excused)
	}
}
