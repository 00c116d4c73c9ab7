package browsers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

//go:embed testdata/page.js
var script string

// page is the page of every origin: run is defined there. It asks for no icon.
var page = `<!doctype html><meta charset="utf-8"><title>a page</title><link rel="icon" href="data:,"><body><script id="source">` +
	script + "</script>"

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, page)
}

// pages serves the page of every origin that is not behind Envoy, over http and
// https, until the test ends.
type pages struct{ plain, secure string } // addresses

func startPages(t *testing.T, cert tls.Certificate) pages {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", servePage)
	mux.HandleFunc("/go", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	})
	plain, secure := listen(t), listen(t)
	p := pages{plain.Addr().String(), secure.Addr().String()}
	serve(t, mux, plain)
	serve(t, mux, tls.NewListener(secure, &tls.Config{Certificates: []tls.Certificate{cert}}))
	return p
}

// route sends the hosts of policies to the ports of their URLs on this machine,
// and the hosts of pages to the pages.
func (p pages) route(host, port string) string {
	switch {
	case strings.HasSuffix(host, ".api.test"):
		return net.JoinHostPort("127.0.0.1", port)
	case !strings.HasSuffix(strings.TrimSuffix(host, "."), ".test") && host != "localhost" && host != "127.0.0.1":
		return "" // browsers call their makers
	case port == "443" || port == "8443":
		return p.secure
	}
	return p.plain
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve serves h on l until the test ends.
func serve(t *testing.T, h http.Handler, l net.Listener) {
	t.Helper()
	// Browsers open connections that they do not use, which is no error to log.
	envoytest.ServeHTTP(t, &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}, l)
}

// certificate is one that nobody else trusts.
type certificate struct {
	tls        tls.Certificate
	chain, key string // PEM
	hash       string // of the public key, as Chromium's flag wants it
}

func makeCertificate(t *testing.T) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test of corsgate"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		DNSNames: []string{"*.api.test", "*.corp.test"}, // others are not looked at
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, der, key)
}

func encode(t *testing.T, der []byte, key *ecdsa.PrivateKey) certificate {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(public)
	return certificate{
		tls:   tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		hash:  base64.StdEncoding.EncodeToString(hash[:]),
	}
}
