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
		if err := in.open(path); err != nil {
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

// open reads a file, or those in a folder.
func (in *input) open(root string) error {
	names, err := below(root)
	if err != nil {
		return printable.Error(err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return printable.Error(err)
		}
		if err := errors.Join(in.read(name, f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// below returns the files of a folder that may have a configuration, and those of the
// folders in it; of a file its name.
func below(root string) (names []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(filepath.Base(path), ".")
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return fs.SkipDir
		case !d.IsDir() && !hidden && (path == root || isReadable(path, d)):
			names = append(names, path)
		}
		if len(names) > maxFiles {
			return fmt.Errorf("%s: there are more than %d files", printable.Name(root), maxFiles)
		}
		return nil
	})
	return names, err
}

// isReadable reports whether a file in a folder may have a configuration of CORS. Those of
// nginx often have no extension.
func isReadable(path string, d fs.DirEntry) bool {
	return d.Type().IsRegular() && slices.Contains([]string{"", ".yaml", ".yml", ".json", ".conf", ".nginx"}, strings.ToLower(filepath.Ext(path)))
}

func (in *input) read(path string, from io.Reader) error {
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
