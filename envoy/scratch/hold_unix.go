//go:build unix && !solaris && !aix

package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// hold locks the folder at path, which must be this user's, until the file that
// is returned is closed. The error is errHeld when another process holds it,
// and errors.ErrUnsupported where folders cannot be locked: there none is ever
// taken for left behind.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := lock(f, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func lock(f *os.File, path string) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if owner, ok := opened.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: %w", path, fs.ErrPermission)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errHeld
	case err != nil:
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	// Between opening and locking, it may have been removed.
	there, err := os.Lstat(path)
	if err == nil && !os.SameFile(opened, there) {
		err = fs.ErrNotExist
	}
	return err
}
