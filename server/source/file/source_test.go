package file_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/file"
	"github.com/corsgate/corsgate/server/source/sourcetest"
)

var _ live.Source = (*file.Source)(nil)

func TestSource(t *testing.T) {
	for name, inFolder := range map[string]bool{"a file": false, "a folder": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Test(t, func(t *testing.T) *sourcetest.Held { return held(t, inFolder) })
		})
	}
}

// held holds policies in a file, or in a folder with that file.
func held(t *testing.T, inFolder bool) *sourcetest.Held {
	dir := t.TempDir()
	next, folder := filepath.Join(dir, "next"), filepath.Join(dir, "policies")
	place := filepath.Join(folder, "p.yaml")
	path := place
	if inFolder {
		path = folder
	}
	return &sourcetest.Held{
		Source: &file.Source{Path: path, Poll: time.Hour, Settle: 10 * time.Millisecond},
		Place:  place,
		Put: func(t testing.TB, text string) {
			must(t, os.MkdirAll(folder, 0o700))
			must(t, os.WriteFile(next, []byte(text), 0o600))
			must(t, os.Rename(next, place))
		},
		Lose:   func(t testing.TB) { must(t, os.RemoveAll(folder)) },
		Advice: "give a file, or a folder of them",
	}
}

func TestALoadOfAFolderEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	for _, f := range sourcetest.ManyFiles() {
		must(t, os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600))
	}
	sourcetest.LoadEnds(t, &file.Source{Path: dir})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
