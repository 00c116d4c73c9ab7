package importertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// FuzzInputs has a fuzz test begin with the inputs of the golden files, and wants of each
// text that it is refused or imported, whatever it is.
func FuzzInputs(f *testing.F, read func(files []source.File) (source.Config, error)) {
	f.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(text).Files {
			if file.Name != policies && file.Name != report {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		config, err := read([]source.File{{Path: "input", Text: text}})
		if err == nil {
			importer.Translate(importer.Options{}, config)
		}
	})
}
