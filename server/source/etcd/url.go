package etcd

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// The schemes of a store's URL, without and with TLS.
const (
	scheme    = "etcd://"
	schemeTLS = "etcds://"
)

// defaultPort is etcd's for clients.
const defaultPort = "2379"

const example = "etcd://HOST:2379,HOST:2379/FLEET, or etcds:// for TLS"

// IsURL reports whether a text has the scheme of a store in etcd.
func IsURL(text string) bool {
	return strings.HasPrefix(text, scheme) || strings.HasPrefix(text, schemeTLS)
}

// address is what a store's URL says.
type address struct {
	endpoints []string
	fleet     string
	tls       bool
}

// CheckURL says what is wrong with the URL of a store in etcd.
func CheckURL(text string) error {
	_, err := parseURL(text)
	return err
}

func parseURL(text string) (address, error) {
	rest, isTLS := strings.CutPrefix(text, schemeTLS)
	if !isTLS {
		var ok bool
		if rest, ok = strings.CutPrefix(text, scheme); !ok {
			return address{}, fmt.Errorf("%s is not the URL of a store in etcd: write %s", printable.Value(text), example)
		}
	}
	hosts, fleet, _ := strings.Cut(rest, "/")
	switch {
	case strings.Contains(rest, "@"):
		return address{}, errors.New("the URL of a store has no user and no password, since others see it: name the user and a file with the password by the flags")
	case fleet == "":
		return address{}, fmt.Errorf("%s names no fleet: write %s", printable.Value(text), example)
	case !policy.IsName(fleet):
		return address{}, fmt.Errorf("%s is not the name of a fleet, which is 1 to 63 of a-z, 0-9 and hyphen: write %s", printable.Value(fleet), example)
	}
	a := address{fleet: fleet, tls: isTLS}
	for host := range strings.SplitSeq(hosts, ",") {
		endpoint, err := parseEndpoint(host)
		if err != nil {
			return address{}, err
		}
		a.endpoints = append(a.endpoints, endpoint)
	}
	return a, nil
}

// parseEndpoint returns HOST:PORT.
func parseEndpoint(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port, err = net.SplitHostPort(text + ":" + defaultPort)
	}
	if err != nil || host == "" || port == "" {
		return "", fmt.Errorf("%s is not the address of an etcd: write %s", printable.Value(text), example)
	}
	return net.JoinHostPort(host, port), nil
}
