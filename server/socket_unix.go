//go:build unix

package server

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// maxPending is how many connections may wait to be accepted, if the system
// lets so many.
const maxPending = 4096

// listenSocket listens on a socket file that nobody can connect to whom mode
// does not let. Linux creates it with the mode that the socket has, without what
// the umask takes. Others do not, but it has its mode before it is listened on,
// and until then nobody is let in.
func listenSocket(path string, mode fs.FileMode) (net.Listener, error) {
	f, err := newSocket(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the listener has a descriptor of its own
	fd := int(f.Fd())
	_ = syscall.Fchmod(fd, uint32(mode))
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	l, err := openSocket(f, path, mode)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return l, nil
}

// newSocket returns a socket that no child process gets.
func newSocket(name string) (*os.File, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name), nil
}

// openSocket gives the file of a socket its mode and listens.
func openSocket(f *os.File, path string, mode fs.FileMode) (net.Listener, error) {
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	if err := syscall.Listen(int(f.Fd()), maxPending); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(true)
	return l, nil
}
