// Package policyfile reads what users write: policy files and the group files
// that they name become a [policy.Valid], for [policy.Compile], or every mistake in
// them with its file, line and column.
//
// A policy file is YAML (JSON is YAML), read strictly. It has two lists:
//
//	originGroups:
//	  apps: ["https://app.example.com", "https://*.apps.example.com"]
//	  tenants: {file: tenants.txt}
//	policies:
//	- name: api
//	  hosts: [api.example.com]
//	  cors: {allowOrigins: [group:apps], allowMethods: [PUT]}
//
// The fields of a policy are those of policy.Spec, and the cors block is that
// of the Gateway API's HTTPRoute CORS filter. All files that are loaded
// together see each other's groups.
//
// This package adds to the rules of policy.Validate those that need the list
// of public suffixes or the Unicode tables of IDNA.
package policyfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// The bounds of what Load accepts.
const (
	// MaxPolicyFile is the size of a policy file in bytes.
	MaxPolicyFile = 8 << 20
	// MaxGroupFile is the size of a group file in bytes.
	MaxGroupFile = 256 << 20
	// MaxDepth is how deep lists and mappings may nest in a policy file.
	MaxDepth = 32
	// MaxNodes is how many YAML nodes, which are words, lists and mappings, a
	// policy file may have. They are counted before they are parsed, and rather
	// too high: an entry in brackets counts as two, and so does a bracket.
	MaxNodes = 500_000
	// MaxAliased is how many YAML nodes the aliases of a policy file may stand
	// for. A long text counts as several.
	MaxAliased = 1_000_000
	// MaxOrigins is the number of origins of all policies, a group counted
	// wherever it is used.
	MaxOrigins = 10_000_000
	// MaxRegexes is the number of characters of all policies' regexes, as they are
	// written and once more with each repetition written out.
	MaxRegexes = 1_000_000
	// MaxDiagnostics is how many diagnostics are kept, besides one that says
	// how many more there are.
	MaxDiagnostics = policy.MaxProblems
)

// limits are the bounds as variables, for tests.
type limits struct {
	policyFile, groupFile                      int64
	nodes, aliased, origins, regexes, findings int
}

func bounds() limits {
	return limits{
		policyFile: MaxPolicyFile, groupFile: MaxGroupFile,
		nodes: MaxNodes, aliased: MaxAliased, origins: MaxOrigins, regexes: MaxRegexes, findings: MaxDiagnostics,
	}
}

// single may be implemented by an FS: it returns the name of the one policy
// file at the root that the user chose, or "". That file is read whatever its
// extension.
type single interface{ PolicyFile() string }

// Load reads the policy files at the root of fsys (*.yaml, *.yml and *.json,
// in capitals too, in the order of their names, without hidden ones) and the
// group files that they name. place is put before the names in diagnostics. Load
// keeps nothing of fsys and is safe for concurrent use.
func Load(fsys fs.FS, place string) Result { return new(Loader).Load(fsys, place) }

// places returns what locates the policies.
func (l *loader) places() []*where {
	places := make([]*where, len(l.policies))
	for i, p := range l.policies {
		places[i] = p.where
	}
	return places
}

// loader is one Load.
type loader struct {
	fsys     fs.FS
	place    string
	limits   limits
	ended    func() error // says why no further file is to be read, if that is so
	before   memory       // of the last good load
	now      memory       // of this one
	first    string       // name of the first policy file
	found    *findings
	groups   map[string]*group // :: name
	named    []*group          // in order of the files
	listed   map[string]*list  // :: name of a group file
	policies []*judged
	unknown  int  // groups that are named and do not exist
	partial  bool // a file could not be read: what it has is unknown
	left     bool // a policy that could not be read was left out
}

func newLoader(fsys fs.FS, place string, lim limits, before memory) *loader {
	return &loader{
		fsys: fsys, place: place, limits: lim, ended: never, before: before, now: newMemory(), found: newFindings(lim.findings),
		groups: map[string]*group{}, listed: map[string]*list{},
	}
}

// pos is a place in a file, counted from 1. spot is a place and its file.
type (
	pos  struct{ line, col int32 }
	spot struct {
		file string
		at   pos
	}
)

var top = pos{1, 1}

// fail adds an error at what could not be read: judging that would say it twice.
func (l *loader) fail(at spot, d Diagnostic) {
	l.found.breaks(at)
	l.add(at.file, at.at, d)
}

func (l *loader) add(file string, at pos, d Diagnostic) {
	d.File, d.Line, d.Column = file, int(at.line), int(at.col)
	l.found.add(d, d)
}

// shown returns the name of a file in diagnostics.
func (l *loader) shown(name string) string {
	if scheme, rest, isURL := strings.Cut(l.place, "://"); isURL {
		return printable.Name(scheme + "://" + path.Join(rest, name))
	}
	return printable.Name(filepath.Join(l.place, name))
}

func (l *loader) readFiles() {
	names, err := Names(l.fsys)
	if err != nil {
		l.unreadable(".", err)
		return
	}
	for _, name := range names {
		l.first = cmp.Or(l.first, name)
		l.readFile(name)
	}
	if l.first == "" {
		l.add(l.shown(""), top, Diagnostic{
			Code: "no-policy-files", Reason: "no policy files", Hint: "put a .yaml, .yml or .json file here",
		})
	}
}

// Names returns the names of the files that are read at the root of fsys: the
// one that the user chose, or else *.yaml, *.yml and *.json, sorted.
func Names(fsys fs.FS) (names []string, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	chosen := ""
	if s, ok := fsys.(single); ok {
		chosen = s.PolicyFile()
	}
	for _, e := range entries {
		if !e.IsDir() && (e.Name() == chosen || chosen == "" && IsPolicyFile(e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// IsPolicyFile reports whether Load reads a file of that name in a folder. It leaves
// out hidden files, and with them the "..data" links that Kubernetes mounts.
func IsPolicyFile(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(name)))
}

// readFile takes the policies and groups of a file, which it parses unless it is
// remembered.
func (l *loader) readFile(name string) {
	f := l.before.files[name]
	data, now, err := l.read(name, l.limits.policyFile, f.sum)
	if err != nil {
		l.unreadable(name, err)
		return
	}
	from, groups := len(l.policies), f.groups
	if now != f.sum {
		groups = l.parseFile(name, data)
	} else {
		for _, p := range f.policies {
			l.keep(p.again())
		}
	}
	for _, g := range groups {
		l.enter(g)
	}
	l.now.files[name] = file{sum: now, policies: slices.Clip(l.policies[from:]), groups: groups}
}

// parseFile keeps the policies of a file, and returns its groups.
func (l *loader) parseFile(name string, data []byte) (groups []*group) {
	if !l.checkText(l.shown(name), data) {
		l.partial = true
		return nil
	}
	root, bad := parse(data, l.limits.nodes)
	if bad = cmp.Or(foreign(data, root, bad), bad); bad != nil {
		l.partial = true
		l.add(l.shown(name), bad.at, bad.Diagnostic)
		return nil
	}
	d := document{l: l, file: l.shown(name)}
	d.readRoot(root)
	return d.groups
}

// checkText reports whether a file says what a reader sees. If not, it adds
// errors.
func (l *loader) checkText(file string, data []byte) bool {
	hidden := CheckText(file, data)
	for _, d := range hidden {
		l.add(file, pos{int32(d.Line), int32(d.Column)}, d)
	}
	return len(hidden) == 0
}

func (l *loader) unreadable(name string, err error) {
	l.partial = true
	code, reason := unreadable(err)
	l.add(l.shown(name), top, Diagnostic{Code: code, Reason: reason})
}

// unreadable returns the code and the reason of an error of readBounded.
func unreadable(err error) (code, reason string) {
	if errors.Is(err, errTooLarge) {
		return "file-too-large", err.Error()
	}
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err // the diagnostic names the file
	}
	return "file-unreadable", "the file cannot be read: " + err.Error()
}

var (
	errTooLarge   = errors.New("the file is too large")
	errNotRegular = errors.New("it is not a regular file")
)

// readBounded reads a regular file. A pipe or a device could block forever.
func readBounded(fsys fs.FS, name string, most int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%w: it has more than %d bytes", errTooLarge, most)
	}
	data, err := readAtMost(fsys, name, most+1)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%w: it has more than %d bytes", errTooLarge, most)
	}
	return data, nil
}

// readAtMost reads the first bytes of a file. It does not copy content that a
// file system already has in memory.
func readAtMost(fsys fs.FS, name string, most int64) ([]byte, error) {
	if whole, ok := fsys.(fs.ReadFileFS); ok {
		return whole.ReadFile(name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	return data, errors.Join(err, f.Close())
}
