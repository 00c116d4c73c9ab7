package tlsfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// ClientFiles are the PEM files of a client.
type ClientFiles struct {
	// CA has the authorities of the servers; empty means those of the system.
	CA string
	// Cert and Key are the client's certificate chain and its key; both are empty if the
	// server asks for none.
	Cert, Key string
}

// Config returns the configuration of a client. It reads the files now, to tell mistakes
// at once. The certificate is read again for each connection; the authorities are not.
func (f ClientFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("a client's certificate and its key go together: name both files")
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("read the TLS files: %w", access.Explain(printable.Error(err), f.CA))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s: write PEM", printable.Name(f.CA))
		}
	}
	if f.Cert == "" {
		return c, nil
	}
	if _, err := f.pair(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.pair() }
	return c, nil
}

func (f ClientFiles) pair() (*tls.Certificate, error) {
	var content [2][]byte
	for i, path := range []string{f.Cert, f.Key} {
		var err error
		if content[i], err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read the TLS files: %w", access.Explain(printable.Error(err), path))
		}
	}
	pair, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return nil, fmt.Errorf("read the certificate %s and its key %s: %w", printable.Name(f.Cert), printable.Name(f.Key), err)
	}
	return &pair, nil
}
