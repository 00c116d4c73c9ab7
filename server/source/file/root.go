package file

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// maxFile bounds how much of one file is read, in bytes. It is far above the
// largest policy or group file.
const maxFile = 512 << 20

// maxHops bounds a chain of symbolic links, as Linux does.
const maxHops = 40

// dataLink is the link that Kubernetes swaps to change all files of a
// ConfigMap or Secret at once; each entry is a link through it.
const dataLink = "..data"

// root is a folder whose links are resolved.
type root struct {
	dir  string // as the user wrote it
	real string // dir, resolved
	data string // what dataLink leads to, resolved; empty if there is no such link
	only string // the single file to list; empty if all are listed
}

// resolve finds the root of p, a file or a folder.
func resolve(p string) (root, error) {
	info, err := os.Stat(p)
	if err != nil {
		return root{}, err
	}
	r := root{dir: filepath.Clean(p)}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return root{}, fmt.Errorf("%s is neither a regular file nor a folder", printable.Name(p))
		}
		r.dir, r.only = filepath.Dir(p), filepath.Base(p)
	}
	if r.real, err = filepath.EvalSymlinks(r.dir); err != nil {
		return root{}, err
	}
	r.data, err = filepath.EvalSymlinks(filepath.Join(r.real, dataLink))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	return r, err
}

// locate returns the path of a name, through the version of the ConfigMap that
// resolve saw.
func (r root) locate(name string) string {
	top, rest, _ := strings.Cut(name, "/")
	if r.data != "" {
		link, err := os.Readlink(filepath.Join(r.real, top))
		if target, ok := strings.CutPrefix(filepath.ToSlash(link), dataLink+"/"); err == nil && ok {
			return filepath.Join(r.data, target, filepath.FromSlash(rest))
		}
	}
	return filepath.Join(r.real, filepath.FromSlash(name))
}

// stat describes a name, following links. A broken link is shown as a file. So
// reading it fails with the reason, and no policy gets lost silently.
func (r root) stat(name string) (info, error) {
	at := r.locate(name)
	base := path.Base(name)
	fi, err := os.Stat(at)
	if err == nil {
		return info{name: base, size: fi.Size(), mode: fi.Mode(), modTime: fi.ModTime()}, nil
	}
	if _, linkErr := os.Lstat(at); linkErr != nil {
		return info{}, err
	}
	return info{name: base}, nil
}

// open opens a regular file of bounded size.
func (r root) open(name string) (*os.File, info, error) {
	at := r.locate(name)
	// This is checked before the file is opened, because opening a named pipe
	// waits.
	fi, err := os.Stat(at)
	switch {
	case err != nil:
		return nil, info{}, reason(err)
	case !fi.Mode().IsRegular():
		return nil, info{}, errors.New("not a regular file")
	case fi.Size() > maxFile:
		return nil, info{}, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, info{}, reason(err)
	}
	return f, info{name: path.Base(name), size: fi.Size(), mode: fi.Mode(), modTime: fi.ModTime()}, nil
}

// read returns a file's content.
func (r root) read(name string) ([]byte, info, error) {
	f, fi, err := r.open(name)
	if err != nil {
		return nil, info{}, err
	}
	defer f.Close()
	var content bytes.Buffer
	content.Grow(int(fi.size) + bytes.MinRead) // so that it need not be copied while it grows
	// If the file grows meanwhile, the rest is cut. Its hash then changes, and it
	// is read again.
	if _, err := content.ReadFrom(io.LimitReader(f, maxFile)); err != nil {
		return nil, info{}, reason(err)
	}
	fi.size = int64(content.Len())
	return content.Bytes(), fi, nil
}

// list returns the entries of a folder except hidden ones, sorted by name.
func (r root) list(name string) ([]fs.DirEntry, error) {
	found, err := os.ReadDir(r.locate(name))
	if err != nil {
		return nil, reason(err)
	}
	entries := make([]fs.DirEntry, 0, len(found))
	for _, e := range found {
		if !r.lists(name, e.Name()) {
			continue
		}
		if e.Type().IsRegular() {
			entries = append(entries, e) // there is no link to follow
			continue
		}
		fi, err := r.stat(path.Join(name, e.Name()))
		if err != nil {
			continue // deleted since the folder was read
		}
		entries = append(entries, fs.FileInfoToDirEntry(fi))
	}
	return entries, nil
}

func (r root) lists(folder, entry string) bool {
	if folder == "." && r.only != "" {
		return entry == r.only
	}
	return !strings.HasPrefix(entry, ".")
}

// fingerprint identifies content: a listing by its names and kinds, a file by
// its hash, and either by the reason why it cannot be read.
func (r root) fingerprint(l lookup, h *hasher) string {
	if l.list {
		return listFingerprint(r.list(l.name))
	}
	h.quick.Reset()
	err := h.write(&h.quick, r, l.name)
	return fingerprintOf(h.quick.Sum64(), err)
}

// hasher hashes files, one after the other, in memory that it uses again: there may be
// thousands of them. The quick hash tells whether a file has changed, and is of no use
// in another process.
type hasher struct {
	quick  maphash.Hash
	strong hash.Hash
	both   io.Writer // quick and strong
	part   []byte
}

func newHasher(seed maphash.Seed) *hasher {
	h := &hasher{strong: sha256.New(), part: make([]byte, 64<<10)}
	h.quick.SetSeed(seed)
	h.both = io.MultiWriter(&h.quick, h.strong)
	return h
}

// sum returns the SHA-256 of a file, and its fingerprint.
func (h *hasher) sum(r root, name string) (sum [sha256.Size]byte, fingerprint string, err error) {
	h.quick.Reset()
	h.strong.Reset()
	err = h.write(h.both, r, name)
	h.strong.Sum(sum[:0])
	return sum, fingerprintOf(h.quick.Sum64(), err), err
}

// write writes the content of a file, of which it keeps no more than a part at a time.
func (h *hasher) write(to io.Writer, r root, name string) error {
	f, _, err := r.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(to, io.LimitReader(f, maxFile), h.part); err != nil {
		return reason(err)
	}
	return nil
}

// endsMidLine reports whether a file ends in the middle of a line, or is empty:
// then it may be cut off, or about to be written. A file with a single value in
// brackets is complete without an end of its last line; if it were cut off
// before its bracket, it would be refused.
func (r root) endsMidLine(name string) bool {
	f, fi, err := r.open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, max(0, fi.size-1)); err != nil {
		return true // empty, or shorter by now
	}
	return !strings.ContainsAny(string(last), "\n]}")
}

func listFingerprint(entries []fs.DirEntry, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Type().String() + " " + e.Name() + "\n")
	}
	return b.String()
}

// fingerprintOf returns the fingerprint of a file with that quick hash, or of one that
// cannot be read.
func fingerprintOf(quick uint64, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return strconv.FormatUint(quick, 16)
}

// reason removes the path from an error. That is the resolved path, which the
// user does not know, and which differs from version to version. Only if a
// permission is missing, it says on which path.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return access.Explain(pe.Err, pe.Path)
	}
	return err
}

// hops returns p, the target of each link on the way from it, and its final
// path.
func hops(p string) []string {
	paths := []string{p}
	for at := p; len(paths) < maxHops; {
		target, err := os.Readlink(at)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(at), target)
		}
		at = filepath.Clean(target)
		paths = append(paths, at)
	}
	if end, err := filepath.EvalSymlinks(p); err == nil && end != p {
		paths = append(paths, end)
	}
	return paths
}
