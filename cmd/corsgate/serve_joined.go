package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/server/addr"
)

// joinedFlags are the flags of serve about a service on the gRPC listener that is not for
// everybody who reaches the listener.
type joinedFlags struct {
	on, remote bool
	allowed    []string
}

// joinedWords are the names of the flags of such a service, and the words of their errors.
type joinedWords struct {
	// flag switches the service on, and help describes it.
	flag, help string
	// client says what an allowed client does. open says what whoever reaches the listener
	// can do.
	client, open string
	// allow says why --FLAG-allow needs the flag. remote says what the service does on an
	// address that others reach.
	allow, remote string
}

// define defines the flags.
func (f *joinedFlags) define(flags *pflag.FlagSet, w *joinedWords) {
	flags.BoolVar(&f.on, w.flag, false, w.help)
	flags.StringSliceVar(&f.allowed, w.flag+"-allow", nil, "the only `NAME` (DNS, URI, e-mail, IP) of a client certificate that "+w.client+", repeatable; all by default")
	flags.BoolVar(&f.remote, w.flag+"-insecure-allow-remote", false, "let --grpc-listen be another address than loopback without client certificates; whoever reaches it can "+w.open)
}

// check reports if clients can use the service that should not, on a listener at that
// address.
func (f *joinedFlags) check(w *joinedWords, listen string, t *tlsFlags) error {
	a, err := addr.Parse(listen)
	mutual := t.clientCA != ""
	switch {
	case err != nil:
		return err // checkListen has reported it
	case !f.on && len(f.allowed) > 0:
		return misused(fmt.Sprintf("add --%s, or leave it out", w.flag), "--%s-allow %s", w.flag, w.allow)
	case !f.on:
		return nil
	case len(f.allowed) > 0 && !mutual:
		return misused("add --grpc-tls-client-ca", "--%s-allow needs client certificates", w.flag)
	case a.Path == "" && !a.IsLoopback() && !mutual && !f.remote:
		return misused(fmt.Sprintf("listen on 127.0.0.1 or a Unix socket, or add --grpc-tls-cert, --grpc-tls-key and --grpc-tls-client-ca, or add --%s-insecure-allow-remote if nobody else can reach the address", w.flag),
			"--%s on %s, without client certificates, %s", w.flag, listen, w.remote)
	}
	return nil
}
