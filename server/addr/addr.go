// Package addr reads addresses as users write them, in flags and in Envoy's
// configuration alike: HOST:PORT, unix:///PATH, or unix://@NAME.
package addr

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy/printable"
)

// Unix is the scheme of a Unix socket's address.
const Unix = "unix://"

// dnsName is a host name as a resolver takes it.
var dnsName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)

// socketPath is absolute, or the name of an abstract socket (Linux).
var socketPath = regexp.MustCompile(`^(/|@.)`)

// Address is where something listens: a host and port, or a Unix socket.
type Address struct {
	// Host is an IP address or a name to resolve. It is empty for a Unix socket,
	// and where only a port was written: a listener's every address.
	Host string
	// Port is 0 to 65535; a listener with 0 takes one that is free.
	Port int
	// Path is the Unix socket's, or "@" and the name of an abstract one; else
	// it is empty.
	Path string
}

// Parse reads HOST:PORT, :PORT, unix:///PATH, or unix://@NAME. The error says
// what to write instead.
func Parse(s string) (Address, error) {
	if printable.Name(s) != s {
		return Address{}, fmt.Errorf("%q has a character that is not printable: choose another address", s)
	}
	if path, ok := strings.CutPrefix(s, Unix); ok {
		return parseSocket(s, path)
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok && strings.HasPrefix(path, "/") {
		return Address{}, fmt.Errorf("%q is not an address: write %s%s", s, Unix, path)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not an address: write HOST:PORT or unix:///PATH", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Address{}, fmt.Errorf("%q has no port from 0 to 65535", s)
	}
	a := Address{Host: host, Port: int(n)}
	if host != "" && a.IsName() && !dnsName.MatchString(host) {
		return Address{}, fmt.Errorf("%q has no host: write an IP address or a host name", s)
	}
	return a, nil
}

func parseSocket(s, path string) (Address, error) {
	if !socketPath.MatchString(path) {
		return Address{}, fmt.Errorf("%q has no absolute path: write unix:///PATH", s)
	}
	return Address{Path: path}, nil
}

// IsSet reports whether a is an address at all.
func (a Address) IsSet() bool { return a != Address{} }

// IsName reports whether the host is a name, which has to be resolved.
func (a Address) IsName() bool {
	_, err := netip.ParseAddr(a.Host)
	return a.Path == "" && err != nil
}

// IsLoopback reports whether only this machine can connect to the host and
// port. A name other than localhost may be anybody's.
func (a Address) IsLoopback() bool {
	ip, err := netip.ParseAddr(a.Host)
	return a.Host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Network returns "tcp" or "unix", as package net calls them.
func (a Address) Network() string {
	if a.Path != "" {
		return "unix"
	}
	return "tcp"
}
