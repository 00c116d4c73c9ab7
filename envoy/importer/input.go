package importer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/nginx"
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
// hidden files, and "-", which is stdin. Links are followed within their folder.
func Files(paths []string, stdin io.Reader) ([]source.File, error) {
	in := input{left: maxInput, target: map[string]string{}}
	for _, path := range paths {
		if path == "-" {
			if err := in.read(source.File{Path: "stdin"}, stdin); err != nil {
				return nil, err
			}
			continue
		}
		if err := in.open(path); err != nil {
			return nil, err
		}
	}
	return in.files, in.includes()
}

// input collects files.
type input struct {
	files  []source.File
	passed []source.File     // files without text whose names do not say that they are configurations
	target map[string]string // of a file below a folder: what it is without links
	left   int               // bytes that it may still have
}

// open reads a file, or those in a folder.
func (in *input) open(root string) error {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return in.load(source.File{Path: root})
	}
	base, err := filepath.EvalSymlinks(root)
	if err == nil {
		base, err = filepath.Abs(base)
	}
	if err != nil {
		return printable.Error(err)
	}
	t := folder{root: root, base: base, known: map[string]bool{}}
	if err := t.walk(root, []string{base}); err != nil {
		return printable.Error(err)
	}
	for _, f := range t.found {
		in.target[f.path] = f.target
	}
	for _, f := range t.list() {
		if !isReadable(f.Path) {
			in.passed = append(in.passed, f)
		} else if err := in.load(f); err != nil {
			return err
		}
	}
	return nil
}

// load reads a file whose path is known.
func (in *input) load(f source.File) error {
	if f.Outside != "" {
		in.files = append(in.files, f)
		return nil
	}
	from, err := os.Open(cmp.Or(in.target[f.Path], f.Path))
	if err != nil {
		return printable.Error(err)
	}
	return errors.Join(in.read(f, from), from.Close())
}

// includes reads what an nginx.conf includes, whatever its name ends with.
func (in *input) includes() error {
	for len(in.passed) > 0 {
		named := nginx.Included(nginxFiles(in.files), in.passed)
		if named == nil {
			return nil
		}
		for _, f := range named {
			if err := in.load(f); err != nil {
				return err
			}
		}
		in.passed = slices.DeleteFunc(in.passed, func(f source.File) bool {
			return slices.ContainsFunc(named, func(n source.File) bool { return n.Path == f.Path })
		})
	}
	return nil
}

// folder collects the files below a folder.
type folder struct {
	root, base string // as the user names it, and without links
	found      []found
	known      map[string]bool // of found, without links: those that are not links
}

// found is a file and what it is without links.
type found struct{ path, target string }

// walk collects what is below dir. above are the folders that it is in, without links.
func (t *folder) walk(dir string, above []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		target := t.follow(path)
		info, err := os.Stat(target)
		switch inside := t.has(target); {
		case !inside || err != nil:
			t.found = append(t.found, found{path, target})
		case info.IsDir() && !slices.Contains(above, target):
			if err := t.walk(path, append(slices.Clone(above), target)); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			t.found = append(t.found, found{path, target})
			t.known[target] = t.known[target] || t.plain(path) == target
		}
		if len(t.found) > maxFiles {
			return fmt.Errorf("%s: there are more than %d files", printable.Name(t.root), maxFiles)
		}
	}
	return nil
}

// plain is a path below the folder as it is if nothing in the folder is a link.
func (t *folder) plain(path string) string {
	rest, _ := filepath.Rel(t.root, path)
	return filepath.Join(t.base, rest)
}

func (t *folder) has(target string) bool {
	rest, err := filepath.Rel(t.base, target)
	return err == nil && filepath.IsLocal(rest)
}

// follow returns what a path is without links. An absolute link that leaves the folder is
// looked for within it, since the folder may be a copy.
func (t *folder) follow(path string) string {
	target, err := filepath.EvalSymlinks(t.plain(path))
	if err == nil && t.has(target) {
		return target
	}
	if link, bad := os.Readlink(path); bad == nil && (err != nil || filepath.IsAbs(link)) {
		target = link
	}
	for rest := strings.TrimPrefix(target, "/"); filepath.IsAbs(target) && strings.Contains(rest, "/"); _, rest, _ = strings.Cut(rest, "/") {
		if copied, err := filepath.EvalSymlinks(filepath.Join(t.base, rest)); err == nil && t.has(copied) {
			return copied
		}
	}
	return target
}

// list returns the files.
func (t *folder) list() (files []source.File) {
	for _, f := range t.found {
		file := source.File{Path: f.path, Folder: t.root}
		switch {
		case !t.has(f.target):
			file.Outside = f.target
		case t.plain(f.path) != f.target:
			file.Again, t.known[f.target] = t.known[f.target], true
		}
		files = append(files, file)
	}
	return files
}

// isReadable reports whether a file in a folder may have a configuration of CORS. Those of
// nginx often have no extension.
func isReadable(path string) bool {
	return slices.Contains([]string{"", ".yaml", ".yml", ".json", ".conf", ".nginx"}, strings.ToLower(filepath.Ext(path)))
}

// read adds a file with the text that from has.
func (in *input) read(f source.File, from io.Reader) error {
	path := f.Path
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
	f.Text = text
	in.files = append(in.files, f)
	return nil
}
