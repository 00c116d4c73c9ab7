package file

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// maxYoung is the age at which a file counts as completely written. It is
// short, so that a file that was renamed into place is read almost at once.
const maxYoung = 50 * time.Millisecond

// lookup is one question to a snapshot.
type lookup struct {
	list bool // it asks for the folder's entries, otherwise for the file's content
	name string
}

func (l lookup) kind() string {
	if l.list {
		return "list"
	}
	return "read"
}

// snapshot is the FS that Source.Snapshot returns. It reads a file when it is
// asked for it, whole, and remembers its fingerprint. It resolves links once, so
// that all content comes from one version of a ConfigMap.
type snapshot struct {
	source *Source
	root   root
	err    error // why there is no root

	mu   sync.Mutex        // guards seen, kept and torn
	seen map[lookup]string // :: what was asked -> fingerprint of the answer
	kept map[string]kept   // :: name of each file; nil if nobody wants them
	torn bool              // something changed while it was read, or may have

	had map[string]kept // what the source has kept before, while this is read

	summing sync.Mutex // guards hasher
	hasher  *hasher
}

// kept is a file that is kept.
type kept struct {
	fingerprint string
	content     []byte
}

var (
	_ fs.ReadFileFS = (*snapshot)(nil)
	_ fs.ReadDirFS  = (*snapshot)(nil)
)

// Open opens a file or a folder; a file is read whole.
func (s *snapshot) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if fi, err := s.root.stat(name); err == nil && fi.IsDir() {
		entries, err := s.ReadDir(name)
		return live.OpenFolder(fi, entries), err
	}
	content, fi, err := s.read(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return live.OpenFile(fi, content), nil
}

// ReadFile returns a file's content.
func (s *snapshot) ReadFile(name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	content, _, err := s.read(name)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return content, nil
}

// ReadDir returns the entries of a folder, sorted by name; a link is shown as
// its target.
func (s *snapshot) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := s.root.list(name)
	s.note(lookup{list: true, name: name}, listFingerprint(entries, err))
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return entries, nil
}

// Sum returns the SHA-256 of a file's content, for package policyfile, which need not
// read what it knows. If the content is to be kept, and was not kept before, it returns
// an error.
func (s *snapshot) Sum(name string) ([sha256.Size]byte, error) {
	s.summing.Lock()
	defer s.summing.Unlock()
	sum, fingerprint, err := s.hasher.sum(s.root, name)
	s.note(lookup{name: name}, fingerprint)
	if had := s.had[name]; err == nil && had.fingerprint == fingerprint {
		s.keep(name, had)
	} else if err == nil && s.kept != nil {
		err = errors.New("the content is to be kept")
	}
	return sum, err
}

func (s *snapshot) read(name string) ([]byte, info, error) {
	content, fi, err := s.root.read(name)
	fingerprint := fingerprintOf(maphash.Bytes(s.source.seed, content), err)
	s.note(lookup{name: name}, fingerprint)
	if err == nil {
		s.keep(name, kept{fingerprint, content})
	}
	return content, fi, err
}

func (s *snapshot) keep(name string, file kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		s.kept[name] = file
	}
}

// files returns the files that were kept, sorted by name.
func (s *snapshot) files() []live.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var files []live.File
	for _, name := range slices.Sorted(maps.Keys(s.kept)) {
		f := live.File{Name: name, Data: s.kept[name].content}
		if name == s.root.only {
			f.Name = live.ChosenPrefix + name
		}
		files = append(files, f)
	}
	return files
}

// note remembers the first answer. If a later one differs, the content has
// changed.
func (s *snapshot) note(l lookup, fingerprint string) {
	s.mu.Lock()
	_, known := s.seen[l]
	if !known {
		s.seen[l] = fingerprint
	}
	s.mu.Unlock()
	if !known {
		s.source.noteRead()
	}
}

// lookups returns what was asked so far, sorted.
func (s *snapshot) lookups() []lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.seen), func(a, b lookup) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.kind(), b.kind()))
	})
}

// PolicyFile returns the name of the single file that the user chose. If all
// files of a folder are listed, it is empty.
func (s *snapshot) PolicyFile() string { return s.root.only }

// unchanged reports whether all files still have the content that was read, and
// ctx has not ended. A file that was written just now may be incomplete, so it
// first waits, at most a tenth of a second, for the writer to go on.
func (s *snapshot) unchanged(ctx context.Context) bool {
	s.rest(ctx)
	if ctx.Err() == nil {
		if now, _ := s.difference(); now == "" && ctx.Err() == nil {
			return true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.torn = true
	return false
}

// rest waits until no file that was read is younger than maxYoung.
func (s *snapshot) rest(ctx context.Context) {
	young := min(maxYoung, cmp.Or(s.source.Settle, DefaultSettle))
	wait := time.Duration(0)
	for _, l := range s.lookups() {
		if l.list {
			continue
		}
		fi, err := s.root.stat(l.name)
		// If the age is below zero, the time is from another machine's clock, and says
		// nothing.
		if age := time.Since(fi.modTime); err == nil && age >= 0 {
			wait = max(wait, young-age)
		}
	}
	if wait <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// difference describes how the content now differs from what was read. It is
// empty if they are the same. Two equal differences stand for the same
// content. cut reports whether a file that differs ends in the middle of a
// line.
func (s *snapshot) difference() (now string, cut bool) {
	asked := s.lookups()
	then := describe(s.root, s.err, asked, s.answer)
	r, err := resolve(s.source.Path)
	h := newHasher(s.source.seed)
	now = describe(r, err, asked, func(l lookup) string {
		fingerprint := r.fingerprint(l, h)
		cut = cut || fingerprint != s.answer(l) && !l.list && r.endsMidLine(l.name)
		return fingerprint
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if now == then && !s.torn {
		return "", false
	}
	return now, cut
}

// answer returns the fingerprint of the answer to l.
func (s *snapshot) answer(l lookup) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[l]
}

// describe returns a root, and its answers to what was asked, as text.
func describe(r root, err error, asked []lookup, fingerprint func(lookup) string) string {
	if err != nil {
		return "error: " + reason(err).Error()
	}
	var b strings.Builder
	b.WriteString("root " + r.only + "\n")
	for _, l := range asked {
		b.WriteString(l.kind() + " " + l.name + " " + fingerprint(l) + "\n")
	}
	return b.String()
}

// info is an fs.FileInfo.
type info struct {
	name    string
	size    int64
	mode    fs.FileMode
	modTime time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.modTime }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
