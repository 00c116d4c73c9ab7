//go:build unix

package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxHops bounds a chain of symbolic links, as Linux does.
const maxHops = 40

// Explain returns err, the error of reading a file or listing a folder, and if
// that is that the permission is missing, which one, on what, and for whom.
func Explain(err error, path string) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	groups, _ := os.Getgroups() // none are known then
	u := user{id: os.Geteuid(), groups: append(groups, os.Getegid())}
	for range maxHops {
		missing, next, gone := u.follow(path)
		switch {
		case gone != nil:
			return err
		case missing != "":
			return fmt.Errorf("%w: %s", fs.ErrPermission, missing)
		case next == "":
			return fmt.Errorf("%w: the mode of %q lets user %d read it, so an access control list, SELinux, AppArmor or the mount does not", fs.ErrPermission, path, u.id)
		}
		path = next
	}
	return err
}

// follow goes down a path as far as its first symbolic link. It returns what is
// missing on the way, or the path without that link, or neither.
func (u user) follow(path string) (missing, next string, err error) {
	for at, rest := range prefixes(filepath.Clean(path)) {
		info, err := os.Lstat(at)
		if err != nil {
			return "", "", err
		}
		if info.Mode().Type() == fs.ModeSymlink {
			target, _ := os.Readlink(at)
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			return "", filepath.Join(target, rest), nil
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return "", "", errors.ErrUnsupported
		}
		need := search // on the way
		if rest == "" {
			need = read
			if info.IsDir() {
				need = read | search
			}
		}
		if missing := (owned{int(s.Uid), int(s.Gid), info.Mode()}).refusal(u, need, at); missing != "" {
			return missing, "", nil
		}
	}
	return "", "", nil
}

// prefixes are the folders on the way to a clean path and the path itself, each
// with what comes below it: "/", "/a" and "/a/b" of "/a/b", "." and "a" of "a".
func prefixes(path string) func(yield func(at, rest string) bool) {
	return func(yield func(at, rest string) bool) {
		at, rest := ".", path
		switch {
		case path == ".":
			rest = ""
		case filepath.IsAbs(path):
			at, rest = "/", strings.TrimPrefix(path, "/")
		}
		for yield(at, rest) && rest != "" {
			name, below, _ := strings.Cut(rest, "/")
			at, rest = filepath.Join(at, name), below
		}
	}
}
