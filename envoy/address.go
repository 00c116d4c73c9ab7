package envoy

import (
	"fmt"

	"github.com/corsgate/corsgate/server/addr"
)

// address is where something listens: a host and port, or a Unix socket.
type address = addr.Address

// parseAddress reads an address to connect to. Unlike a listener's, it must have a host.
func parseAddress(s string) (address, error) {
	a, err := addr.Parse(s)
	if err == nil && a.Path == "" && a.Host == "" {
		err = fmt.Errorf("%q has no host: write an IP address or a host name", s)
	}
	return a, err
}

// listenAddress checks an address that Envoy binds.
func listenAddress(what, s string) error {
	a, err := parseAddress(s)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if a.IsName() {
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
