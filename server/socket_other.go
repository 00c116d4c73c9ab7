//go:build !unix

package server

import (
	"io/fs"
	"net"
)

// listenSocket listens on a socket file; modes say nothing here.
func listenSocket(path string, _ fs.FileMode) (net.Listener, error) { return net.Listen("unix", path) }
