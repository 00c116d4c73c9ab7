// Package etcd holds the releases of a fleet in etcd.
package etcd

import (
	"context"
	"errors"

	"github.com/corsgate/corsgate/server/store"
)

// Config is how a fleet's store is reached.
type Config struct {
	// URL is etcd://HOST:PORT,HOST:PORT/FLEET, or etcds:// for TLS; required. It has no
	// user and no password.
	URL string
	// CA is a PEM file with the authorities of the servers, empty means the system's.
	// Cert and Key are PEM files with the client's certificate; both may be empty. They
	// are for etcds alone.
	CA, Cert, Key string
	// User and Password are etcd's; both may be empty. PasswordFile has the password
	// instead, without its final newline.
	User, Password, PasswordFile string
}

// Place names the fleet for diagnostics.
func (c Config) Place() string { return "" }

// Open returns a backend; it does not wait for a server. The error says what is wrong
// with the configuration.
func Open(c Config) (store.Backend, error) { return nil, errors.ErrUnsupported }

var _ = context.Background
