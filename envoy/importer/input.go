package importer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/printable"
)

// The bounds of an input.
const (
	maxFile  = 32 << 20
	maxInput = 128 << 20
	maxFiles = 10_000
)

// Files reads what the paths name: files, folders with all that is below them but for
// hidden files, and "-", which is stdin.
func Files(paths []string, stdin io.Reader) ([]source.File, error) {
	in := input{left: maxInput}
	for _, path := range paths {
		if path == "-" {
			if err := in.read("stdin", stdin); err != nil {
				return nil, err
			}
			continue
		}
		if err := in.walk(path); err != nil {
			return nil, err
		}
	}
	return in.files, nil
}

// input collects files.
type input struct {
	files []source.File
	left  int // bytes that it may still have
}

func (in *input) walk(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(filepath.Base(path), ".")
		switch {
		case err != nil:
			return printable.Error(err)
		case hidden && d.IsDir():
			return fs.SkipDir
		case d.IsDir(), hidden, path != root && !isReadable(path, d):
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return printable.Error(err)
		}
		return errors.Join(in.read(path, f), f.Close())
	})
}

// isReadable reports whether a file in a folder may have a configuration of CORS. Those of
// nginx often have no extension.
func isReadable(path string, d fs.DirEntry) bool {
	return d.Type().IsRegular() && slices.Contains([]string{"", ".yaml", ".yml", ".json", ".conf", ".nginx"}, strings.ToLower(filepath.Ext(path)))
}

func (in *input) read(path string, from io.Reader) error {
	if len(in.files) >= maxFiles {
		return fmt.Errorf("%s: there are more than %d files", printable.Name(path), maxFiles)
	}
	most := min(maxFile, in.left)
	text, err := io.ReadAll(io.LimitReader(from, int64(most)+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", printable.Name(path), printable.Error(err))
	case len(text) > maxFile:
		return fmt.Errorf("%s: the file has more than %d MiB", printable.Name(path), maxFile>>20)
	case len(text) > in.left:
		return fmt.Errorf("%s: the input has more than %d MiB", printable.Name(path), maxInput>>20)
	}
	in.left -= len(text)
	in.files = append(in.files, source.File{Path: path, Text: text})
	return nil
}
