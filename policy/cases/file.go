package cases

import (
	"archive/zip"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
)

// File is one case file.
type File struct {
	// Name is the file's name without its extension.
	Name string
	// Path is the name that Parse was given, as printable.Name shows it.
	Path string
	// About says what its cases are about.
	About string
	// Static tells that Envoy's corsgate.static may serve the file's hosts.
	// Where it may not, a policy is off, in shadow, defers, or there is none.
	Static bool
	Cases  []Case
	Loads  []LoadCase

	texts map[string][]byte // :: policy file and group files
}

//go:embed suite/*.yaml
var embedded embed.FS

// Files returns the case files of this package. Their policies and hosts are
// unique, so that all can be loaded together and served by one Envoy.
func Files() ([]File, error) {
	fsys, err := fs.Sub(embedded, "suite")
	if err != nil {
		return nil, fmt.Errorf("case files: %w", err)
	}
	return Load(fsys, "")
}

// Load reads the case files at the root of fsys, those that policyfile would
// read. place is put before the names. The error has every mistake of all files,
// one a line.
func Load(fsys fs.FS, place string) ([]File, error) {
	names, err := policyfile.Names(fsys)
	if err != nil {
		return nil, fmt.Errorf("case files: %w", err)
	}
	var files []File
	var bad []error
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			bad = append(bad, fmt.Errorf("case files: %w", printable.Error(err)))
			continue
		}
		f, err := Parse(filepath.Join(place, name), data)
		files, bad = append(files, f), append(bad, err)
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	return files, nil
}

// HasPolicies reports whether the file brings the policies of its cases.
func (f File) HasPolicies() bool { return len(f.texts) > 0 }

// Set returns the file's policies, compiled.
func (f File) Set() (*policy.Set, error) { return Compile(f) }

// Hosts returns the hosts of the file's cases, sorted, each once.
func (f File) Hosts() []string {
	hosts := map[string]bool{}
	for _, c := range f.Cases {
		hosts[c.Client.Host] = true
	}
	return slices.Sorted(maps.Keys(hosts))
}

// Compile returns the policies of all files in one set.
func Compile(files ...File) (*policy.Set, error) {
	fsys, err := FS(files...)
	if err != nil {
		return nil, err
	}
	loaded := policyfile.Load(fsys, "")
	if loaded.HasErrors() {
		return nil, fmt.Errorf("policies of the case files:\n%s", errorLines(loaded))
	}
	return policy.Compile(loaded.Policies), nil
}

// FS returns the policy files of all files, and the group files that they
// name, as one folder.
func FS(files ...File) (fs.FS, error) {
	texts := map[string][]byte{}
	for _, f := range files {
		for name, text := range f.texts {
			if _, taken := texts[name]; taken {
				return nil, fmt.Errorf("case file %s: another file has a %s too; rename one", f.Path, printable.Name(name))
			}
			texts[name] = text
		}
	}
	return folder(texts)
}

// folder returns a file system in memory. The standard library's only one
// outside of its testing packages is an archive.
func folder(texts map[string][]byte) (fs.FS, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return nil, fmt.Errorf("folder of policies: %w", err)
		}
		if _, err := entry.Write(texts[name]); err != nil {
			return nil, fmt.Errorf("folder of policies: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("folder of policies: %w", err)
	}
	return zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
}

func errorLines(r policyfile.Result) string {
	var lines []string
	for _, d := range r.Diagnostics {
		if d.Level == policy.Error {
			lines = append(lines, d.String())
		}
	}
	return strings.Join(lines, "\n")
}
