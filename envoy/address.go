package envoy

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// unixScheme marks the address of a unix socket.
const unixScheme = "unix://"

// dnsName is a host name as a resolver takes it.
var dnsName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)

// socketPath is absolute, or the name of an abstract socket (Linux).
var socketPath = regexp.MustCompile(`^(/|@.)`)

// address is where something listens: a host and port, or a unix socket.
type address struct {
	Host string
	Port int
	// Path is the unix socket's; else it is empty.
	Path string
}

// Set reports whether a is an address at all.
func (a address) Set() bool { return a != address{} }

// Name reports whether the host is a name, which has to be resolved.
func (a address) Name() bool {
	_, err := netip.ParseAddr(a.Host)
	return a.Path == "" && err != nil
}

// parseAddress reads HOST:PORT, unix:///PATH, or unix://@NAME.
func parseAddress(s string) (address, error) {
	if path, ok := strings.CutPrefix(s, unixScheme); ok {
		if !socketPath.MatchString(path) {
			return address{}, fmt.Errorf("%q has no absolute path: write unix:///PATH", s)
		}
		return address{Path: path}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return address{}, fmt.Errorf("%q is no address: write HOST:PORT or unix:///PATH", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("%q has no port from 0 to 65535", s)
	}
	a := address{Host: host, Port: int(n)}
	if a.Name() && !dnsName.MatchString(host) {
		return address{}, fmt.Errorf("%q has no host: write an IP address or a host name", s)
	}
	return a, nil
}

// listenAddress checks an address that Envoy binds.
func listenAddress(what, s string) error {
	a, err := parseAddress(s)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if a.Name() {
		return fmt.Errorf("%s: %q is a name: write an IP address, such as 127.0.0.1:%d or 0.0.0.0:%d", what, s, a.Port, a.Port)
	}
	return nil
}

// remoteAddress checks an address that Envoy connects to.
func remoteAddress(what, s string) error {
	a, err := parseAddress(s)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if a.Path == "" && a.Port == 0 {
		return fmt.Errorf("%s: %q has port 0: write the port that it listens on", what, s)
	}
	return nil
}
