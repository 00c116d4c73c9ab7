// Package importertest holds readers of configurations to golden files.
package importertest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

var update = flag.Bool("update", false, "write what is imported into the golden files")

// The files of a golden file that are not input.
const (
	policies = "policies.yaml"
	report   = "report.txt"
)

// Golden imports the files of each testdata/*.txtar, and compares the policies and the
// report with its last two files.
func Golden(t *testing.T, read func(files []source.File) (source.Config, error)) {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { golden(t, name, read) })
	}
}

// Documents is the reading of files that are YAML or JSON.
func Documents(read func(docs []tree.Node) source.Config) func(files []source.File) (source.Config, error) {
	return func(files []source.File) (source.Config, error) {
		var docs []tree.Node
		var bad []error
		for _, f := range files {
			more, err := tree.Parse(f)
			docs, bad = append(docs, more...), append(bad, err)
		}
		return read(tree.Unlist(docs)), errors.Join(bad...)
	}
}

func golden(t *testing.T, name string, read func(files []source.File) (source.Config, error)) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got := &txtar.Archive{Comment: archive.Comment}
	var files []source.File
	for _, f := range archive.Files {
		if f.Name != policies && f.Name != report {
			got.Files = append(got.Files, f)
			files = append(files, source.File{Path: f.Name, Text: f.Data})
		}
	}
	config, err := read(files)
	if err != nil {
		t.Fatal(err)
	}
	r := importer.Translate(importer.Options{}, config)
	got.Files = append(got.Files, txtar.File{Name: policies, Data: r.Text()}, txtar.File{Name: report, Data: []byte(r.Report() + r.Summary() + "\n")})
	if *update {
		if err := os.WriteFile(name, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
		t.Errorf("- wanted, + got; run with -update to accept\n%s", diff)
	}
}
