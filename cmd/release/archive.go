package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"path"
	"time"
)

// file is a file of an archive. Nothing is kept of whose it was, how old, and
// which umask it was made with: that differs between machines.
type file struct {
	name       string
	executable bool
	content    []byte
}

// readTree returns all files of a folder, sorted.
func readTree(root fs.FS) (files []file, err error) {
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(root, name)
		files = append(files, file{name, info.Mode()&0o111 != 0, content})
		return err
	})
	return files, err
}

// below returns the files in a folder of that name.
func below(folder string, files []file) []file {
	moved := make([]file, len(files))
	for i, f := range files {
		f.name = path.Join(folder, f.name)
		moved[i] = f
	}
	return moved
}

// tarOf returns the files as a tar, all of them root's, and writable by root
// alone.
func tarOf(files []file, modified time.Time) ([]byte, error) {
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, f := range files {
		mode := int64(0o644)
		if f.executable {
			mode = 0o755
		}
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: mode, Size: int64(len(f.content)), ModTime: modified}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// gzipped returns content compressed, without a name or a time.
func gzipped(content []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func tarGz(files []file, modified time.Time) ([]byte, error) {
	archive, err := tarOf(files, modified)
	if err != nil {
		return nil, err
	}
	return gzipped(archive)
}
