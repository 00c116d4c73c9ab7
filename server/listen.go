package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/addr"
)

// DefaultSocketMode lets the owner and the group of a Unix socket connect.
const DefaultSocketMode fs.FileMode = 0o660

// Listen opens a listener on address: HOST:PORT, unix:///PATH, or unix://@NAME
// for an abstract socket (Linux). A socket file that a dead process left behind
// is replaced. The new one has mode from the first moment on, and 0 means
// DefaultSocketMode; it is removed when the listener closes.
func Listen(address string, mode fs.FileMode) (net.Listener, error) {
	l, err := listen(address, mode)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", printable.Name(address), err)
	}
	return l, nil
}

func listen(address string, mode fs.FileMode) (net.Listener, error) {
	a, err := addr.Parse(address)
	if err != nil {
		return nil, err
	}
	if a.Path != "" {
		return listenUnix(a.Path, mode)
	}
	return net.Listen("tcp", address)
}

func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	if strings.HasPrefix(path, "@") {
		return net.Listen("unix", path)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	return listenSocket(path, cmp.Or(mode, DefaultSocketMode))
}

// removeStale removes a socket that nobody listens on, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("a file that is not a socket is there already, choose another path")
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		return errors.Join(errors.New("another process listens there, stop it or choose another path"), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
