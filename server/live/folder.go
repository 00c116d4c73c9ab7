package live

import (
	"bytes"
	"crypto/sha256"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Folder returns files as the folder that they are of, for policyfile.Load, to which it
// tells the one that was chosen. Names that are not those of files, as fs.ValidPath says,
// are not in it.
func Folder(files []File) fs.FS {
	f := &folder{files: map[string][]byte{}, folders: map[string][]fs.DirEntry{".": nil}}
	for _, file := range files {
		if name, chosen := strings.CutPrefix(file.Name, ChosenPrefix); chosen {
			f.chosen, file.Name = name, name
		}
		if fs.ValidPath(file.Name) && file.Name != "." {
			f.add(file)
		}
	}
	for _, entries := range f.folders {
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return f
}

// folder is what Folder returns.
type folder struct {
	files   map[string][]byte        // :: name
	folders map[string][]fs.DirEntry // :: name
	chosen  string
}

// PolicyFile returns the name of the file that was chosen. If all files at the root that
// are called like policy files have policies, it is empty.
func (f *folder) PolicyFile() string { return f.chosen }

func (f *folder) add(file File) {
	if _, twice := f.files[file.Name]; twice {
		return
	}
	f.files[file.Name] = file.Data
	entry := entry{name: path.Base(file.Name), size: int64(len(file.Data))}
	for dir := path.Dir(file.Name); ; dir = path.Dir(dir) {
		_, known := f.folders[dir]
		f.folders[dir] = append(f.folders[dir], fs.FileInfoToDirEntry(entry))
		if known {
			return
		}
		entry.name, entry.size, entry.mode = path.Base(dir), 0, fs.ModeDir
	}
}

// Open opens a file, or a folder of them.
func (f *folder) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if entries, ok := f.folders[name]; ok {
		return OpenFolder(entry{name: path.Base(name), mode: fs.ModeDir}, entries), nil
	}
	data, ok := f.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return OpenFile(entry{name: path.Base(name), size: int64(len(data))}, data), nil
}

// Sum returns the SHA-256 of a file's content, for policyfile.Loader, which does not copy
// what it knows by that.
func (f *folder) Sum(name string) ([sha256.Size]byte, error) {
	data, ok := f.files[name]
	if !ok {
		return [sha256.Size]byte{}, &fs.PathError{Op: "sum", Path: name, Err: fs.ErrNotExist}
	}
	return sha256.Sum256(data), nil
}

// entry is an fs.FileInfo.
type entry struct {
	name string
	size int64
	mode fs.FileMode
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return e.size }
func (e entry) Mode() fs.FileMode  { return e.mode | 0o444 }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return e.mode.IsDir() }
func (e entry) Sys() any           { return nil }

// OpenFile returns an open file that has content. One goroutine may use it.
func OpenFile(info fs.FileInfo, content []byte) fs.File {
	return &openFile{Reader: bytes.NewReader(content), info: info}
}

type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

// OpenFolder returns an open folder that has entries, in their order. One goroutine may use
// it.
func OpenFolder(info fs.FileInfo, entries []fs.DirEntry) fs.ReadDirFile {
	return &openFolder{info: info, left: entries}
}

type openFolder struct {
	info fs.FileInfo
	left []fs.DirEntry
}

func (o *openFolder) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFolder) Close() error               { return nil }

func (o *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.info.Name(), Err: fs.ErrInvalid}
}

// ReadDir is fs.ReadDirFile's.
func (o *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(o.left)
	} else if len(o.left) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(o.left))
	head := o.left[:n]
	o.left = o.left[n:]
	return head, nil
}
