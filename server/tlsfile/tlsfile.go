// Package tlsfile is TLS from files. When the files change, it reads the certificates and
// the allowed clients again, without a restart.
package tlsfile

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// checkInterval is how long the files are not read again.
const checkInterval = time.Second

// Files are the PEM files of a listener. Its methods are safe for concurrent
// use; its fields are not to be changed after the first call.
type Files struct {
	// Cert and Key are the server's certificate chain and its key; required.
	Cert, Key string
	// ClientCA has the authorities of clients. If it is set, only clients with a
	// certificate from one of them may connect. If it is empty, everybody may.
	ClientCA string
	// AllowedSANs are subject alternative names (DNS name, URI such as
	// spiffe://td/ns/envoy, e-mail or IP address). Only clients with one of them may
	// connect. They are compared as text, whatever their kind, and a URI in its normal
	// form. Empty means every client that ClientCA trusts.
	AllowedSANs []string
	// Logger gets reloads and refused files; nil means no log.
	Logger *slog.Logger

	mu      sync.Mutex
	checked time.Time
	content [3][]byte // of Cert, Key and ClientCA, as they are served
	refused [3][]byte // content that could not be served, which is logged once
	config  *tls.Config
}

// errNoAuthority is the error for a list of names without authorities.
var errNoAuthority = errors.New("allowed names need the authorities of the clients: name a client CA file too")

// Config returns the configuration of a listener that speaks protocols (ALPN). It reads
// the files now, to report mistakes at once, and again when a client connects, at most
// once a second. Files that cannot be used then change nothing. An open connection keeps
// what it began with.
func (f *Files) Config(protocols ...string) (*tls.Config, error) {
	if len(f.AllowedSANs) > 0 && f.ClientCA == "" {
		return nil, errNoAuthority
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := f.read()
	if err != nil {
		return nil, err
	}
	if f.config, err = f.parse(content, protocols); err != nil {
		return nil, err
	}
	f.content, f.checked = content, time.Now()
	c := f.config.Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.current(protocols), nil }
	return c, nil
}

// current returns the configuration of the files as they are now, or as they were when
// they were last good.
func (f *Files) current(protocols []string) *tls.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.checked) < checkInterval {
		return f.config
	}
	f.checked = time.Now()
	content, err := f.read()
	if err == nil && same(content, f.content) {
		return f.config
	}
	var config *tls.Config
	if err == nil {
		config, err = f.parse(content, protocols)
	}
	if err != nil {
		f.refuse(content, err)
		return f.config
	}
	f.content, f.config, f.refused = content, config, [3][]byte{}
	f.logger().Info("certificates loaded", "cert", f.Cert)
	return f.config
}

// refuse logs files that cannot be used, once for each content.
func (f *Files) refuse(content [3][]byte, err error) {
	if f.refused[0] != nil && same(content, f.refused) {
		return
	}
	for i := range content {
		f.refused[i] = append([]byte{}, content[i]...) // not nil: it was told
	}
	f.logger().Error("certificates refused, the last good ones stay", "error", err)
}

func (f *Files) logger() *slog.Logger { return cmp.Or(f.Logger, slog.New(slog.DiscardHandler)) }

func same(a, b [3][]byte) bool { return slices.EqualFunc(a[:], b[:], bytes.Equal) }

// read returns the content of Cert, Key and ClientCA.
func (f *Files) read() (content [3][]byte, err error) {
	var errs []error
	for i, path := range []string{f.Cert, f.Key, f.ClientCA} {
		if i == 2 && path == "" {
			continue
		}
		content[i], err = os.ReadFile(path)
		errs = append(errs, access.Explain(printable.Error(err), path))
	}
	if err := errors.Join(errs...); err != nil {
		return content, fmt.Errorf("read the TLS files: %w", err)
	}
	return content, nil
}

// parse makes the configuration of a content.
func (f *Files) parse(content [3][]byte, protocols []string) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key %s: %w", printable.Name(f.Cert), printable.Name(f.Key), err)
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   protocols,
		// A resumed session would not be checked by new files.
		SessionTicketsDisabled: true,
	}
	if f.ClientCA == "" {
		return c, nil
	}
	c.ClientAuth, c.ClientCAs, c.VerifyConnection = tls.RequireAndVerifyClientCert, x509.NewCertPool(), f.verify
	if !c.ClientCAs.AppendCertsFromPEM(content[2]) {
		return nil, fmt.Errorf("no certificate in %s: write PEM", printable.Name(f.ClientCA))
	}
	return c, nil
}

// verify refuses a client that has none of the allowed names.
func (f *Files) verify(s tls.ConnectionState) error {
	if len(f.AllowedSANs) == 0 {
		return nil
	}
	names := ClientNames(s)
	if Allowed(f.AllowedSANs).haveOneOf(names) {
		return nil
	}
	f.logger().Warn("client refused: none of its names is allowed", "names", fmt.Sprintf("%.256q", names))
	return errors.New("none of the client certificate's names is allowed")
}

// ClientNames returns the subject alternative names of a client, in the form of AllowedSANs.
// Without a verified certificate there are none.
func ClientNames(s tls.ConnectionState) []string {
	if len(s.VerifiedChains) == 0 {
		return nil
	}
	c := s.VerifiedChains[0][0]
	all := slices.Concat(c.DNSNames, c.EmailAddresses)
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
