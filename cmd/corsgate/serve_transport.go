package main

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/tlsfile"
)

// transport is what the flags of serve say about the listeners' transport and limits.
type transport struct {
	grpcTLS, adminTLS          tlsFlags
	socketMode                 socketMode
	maxMessage, maxConnections int
	maxStreams                 uint32
	pprof                      bool
}

// define defines the flags.
func (t *transport) define(flags *pflag.FlagSet) {
	t.socketMode = socketMode(server.DefaultSocketMode)
	flags.Var(&t.socketMode, "grpc-socket-mode", "permissions of a Unix socket, octal; an abstract one has none")
	t.grpcTLS.define(flags, "grpc", "Envoy")
	t.adminTLS.define(flags, "admin", "a client")
	flags.BoolVar(&t.pprof, "admin-pprof", false, "serve Go's profiles on the admin listener below /debug/pprof/")
	flags.IntVar(&t.maxMessage, "max-message-bytes", server.DefaultMaxMessage, "size of the largest message from Envoy that is read; 0 means the default")
	flags.Uint32Var(&t.maxStreams, "max-streams", server.DefaultMaxStreams, "how many calls a connection may have open; 0 means the default")
	flags.IntVar(&t.maxConnections, "max-connections", server.DefaultMaxConnections, "how many gRPC connections may be open, while more wait; 0 means the default")
}

// check reports flags with which serve cannot run.
func (t *transport) check() error {
	if t.maxMessage < 0 || t.maxConnections < 0 {
		return misused("write 0 for the default", "--max-message-bytes and --max-connections must not be negative")
	}
	if err := t.grpcTLS.check("grpc"); err != nil {
		return err
	}
	return t.adminTLS.check("admin")
}

// apply sets the transport of s.
func (t *transport) apply(s *server.Server, log *slog.Logger) (err error) {
	s.MaxMessage, s.MaxStreams, s.MaxConnections = t.maxMessage, t.maxStreams, t.maxConnections
	s.TLS, err = t.grpcTLS.config(log, "h2")
	return err
}

// tlsFlags are the TLS files of a listener.
type tlsFlags struct {
	cert, key, clientCA string
	allowed             []string
}

func (f *tlsFlags) define(flags *pflag.FlagSet, listener, client string) {
	prefix := listener + "-tls-"
	flags.StringVar(&f.cert, prefix+"cert", "", "PEM `FILE` of the "+listener+" listener's certificate chain; read again when it changes")
	flags.StringVar(&f.key, prefix+"key", "", "PEM `FILE` of its key")
	flags.StringVar(&f.clientCA, prefix+"client-ca", "", "PEM `FILE` of the authorities that "+client+" needs a certificate from")
	flags.StringSliceVar(&f.allowed, prefix+"allowed-san", nil, "the only `NAME` (DNS, URI, e-mail, IP) that a client certificate may have, repeatable")
}

// on reports whether the listener speaks TLS.
func (f *tlsFlags) on() bool { return f.cert != "" }

func (f *tlsFlags) check(listener string) error {
	prefix := "--" + listener + "-tls-"
	switch {
	case (f.cert == "") != (f.key == ""):
		return misused("give both or none", "%scert and %skey belong together", prefix, prefix)
	case f.clientCA != "" && !f.on():
		return misused("add "+prefix+"cert and "+prefix+"key", "%sclient-ca needs TLS", prefix)
	case len(f.allowed) > 0 && f.clientCA == "":
		return misused("add "+prefix+"client-ca", "%sallowed-san needs client certificates", prefix)
	}
	return nil
}

// config returns the listener's configuration, or nil without TLS.
func (f *tlsFlags) config(log *slog.Logger, protocols ...string) (*tls.Config, error) {
	if !f.on() {
		return nil, nil
	}
	files := &tlsfile.Files{Cert: f.cert, Key: f.key, ClientCA: f.clientCA, AllowedSANs: f.allowed, Logger: log}
	c, err := files.Config(protocols...)
	if err != nil {
		return nil, hinted(err, "the certificate, its key and the authorities are PEM files")
	}
	return c, nil
}

// errSocketMode is the error for a text that is not a mode, or a mode that lets nobody
// connect.
var errSocketMode = errors.New("want octal permissions, such as 0660")

// socketMode is a flag of octal permissions.
type socketMode fs.FileMode

// String implements pflag.Value.
func (m *socketMode) String() string { return "0" + strconv.FormatUint(uint64(*m), 8) }

// Set implements pflag.Value.
func (m *socketMode) Set(text string) error {
	n, err := strconv.ParseUint(text, 8, 9)
	if err != nil || n == 0 {
		return errSocketMode
	}
	*m = socketMode(n)
	return nil
}

// Type implements pflag.Value.
func (m *socketMode) Type() string { return "mode" }
