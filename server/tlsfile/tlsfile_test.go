package tlsfile_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/tlsfile"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// patience is far above what anything takes, on a machine that has much else to
// do.
const patience = 3 * time.Minute

// files are a listener's, written to a folder.
type files struct {
	*tlsfile.Files
	server *tlstest.Authority
	log    *linestest.Buffer
}

// write writes a server's certificate for name, and clients' authority.
func write(t *testing.T, name string, clients *tlstest.Authority, allowed ...string) files {
	t.Helper()
	folder := t.TempDir()
	f := files{server: tlstest.New(t), log: &linestest.Buffer{}}
	f.Files = &tlsfile.Files{
		Cert: filepath.Join(folder, "tls.crt"), Key: filepath.Join(folder, "tls.key"),
		AllowedSANs: allowed, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	f.replace(t, name)
	if clients != nil {
		f.ClientCA = clients.WriteCA(t, filepath.Join(folder, "clients.crt"))
	}
	return f
}

// replace writes another certificate of the same authority.
func (f files) replace(t *testing.T, name string) {
	t.Helper()
	f.server.Write(t, f.Cert, f.Key, name)
}

// serve answers "hello" to whoever is let in, until the test ends.
func serve(t *testing.T, f files) string {
	t.Helper()
	config, err := f.Config("h2")
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { greet(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

func greet(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, "hello")
}

// dial returns the server certificate's name, or why the client was not let in.
func (f files) dial(address string, client *tls.Certificate) (string, error) {
	config := &tls.Config{RootCAs: f.server.Pool(), NextProtos: []string{"h2"}}
	if client != nil {
		config.Certificates = []tls.Certificate{*client}
	}
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.ReadAll(conn); err != nil { // a refusal comes after the client's handshake
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func TestWhoIsLetIn(t *testing.T) {
	trusted, other := tlstest.New(t), tlstest.New(t)
	const envoy, spiffe = "envoy.example", "spiffe://td/ns/gateway/sa/envoy"
	for _, c := range []struct {
		name    string
		clients *tlstest.Authority
		allowed []string
		client  *tls.Certificate
		in      bool
	}{
		{"without a client authority everybody is", nil, nil, nil, true},
		{"a client without a certificate is not", trusted, nil, nil, false},
		{"a client of another authority is not", trusted, nil, other.Client(t, envoy), false},
		{"a client of the authority is", trusted, nil, trusted.Client(t, envoy), true},
		{"an allowed DNS name is", trusted, []string{"x.example", envoy}, trusted.Client(t, envoy), true},
		{"an allowed URI is", trusted, []string{spiffe}, trusted.Client(t, spiffe), true},
		{"an allowed address is", trusted, []string{"127.0.0.1"}, trusted.Client(t, "127.0.0.1"), true},
		{"one allowed name of several is enough", trusted, []string{spiffe}, trusted.Client(t, envoy, spiffe), true},
		{"another name is not", trusted, []string{envoy}, trusted.Client(t, "not."+envoy), false},
		{"a longer URI is not", trusted, []string{spiffe}, trusted.Client(t, spiffe+"2"), false},
		{"an allowed name of another authority is not", trusted, []string{envoy}, other.Client(t, envoy), false},
		{"no name is not", trusted, []string{envoy}, trusted.Client(t), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := write(t, "127.0.0.1", c.clients, c.allowed...)
			_, err := f.dial(serve(t, f), c.client)
			if in := err == nil; in != c.in {
				t.Errorf("let in: %t, want %t: %v", in, c.in, err)
			}
		})
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	first, second := tlstest.New(t), tlstest.New(t)
	f := write(t, "127.0.0.1", first)
	address := serve(t, f)
	old, young := first.Client(t, "a"), second.Client(t, "a")
	if _, err := f.dial(address, old); err != nil {
		t.Fatal(err)
	}

	await(t, "a broken certificate is told", func() bool {
		if err := os.WriteFile(f.Cert, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.dial(address, old); err != nil {
			t.Fatalf("the last good certificate does not serve: %v", err)
		}
		return strings.Contains(f.log.String(), "certificates refused, the last good ones stay")
	})
	for range 2 { // it is told once
		time.Sleep(1100 * time.Millisecond)
		if _, err := f.dial(address, old); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(f.log.String(), "refused"); n != 1 {
		t.Errorf("told %d times:\n%s", n, f.log)
	}

	f.server.Write(t, f.Cert, f.Key, "127.0.0.1", "renewed")
	second.WriteCA(t, f.ClientCA)
	await(t, "the new authority lets its clients in", func() bool {
		_, err := f.dial(address, young)
		return err == nil
	})
	if name, err := f.dial(address, young); err != nil || name != "renewed" {
		t.Errorf("certificate of %q, %v", name, err)
	}
	if _, err := f.dial(address, old); err == nil {
		t.Error("a client of the old authority is let in")
	}
}

func TestMistakes(t *testing.T) {
	good := write(t, "127.0.0.1", tlstest.New(t))
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		f    *tlsfile.Files
		want string
	}{
		{"a missing certificate", &tlsfile.Files{Cert: "missing", Key: good.Key}, "missing"},
		{"a missing key", &tlsfile.Files{Cert: good.Cert, Key: "missing"}, "missing"},
		{"a text instead of a key", &tlsfile.Files{Cert: good.Cert, Key: text}, text},
		{"a text instead of an authority", &tlsfile.Files{Cert: good.Cert, Key: good.Key, ClientCA: text}, text},
		{"names without an authority", &tlsfile.Files{Cert: good.Cert, Key: good.Key, AllowedSANs: []string{"a"}}, "client CA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.f.Config(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to name %s", err, c.want)
			}
		})
	}
}

func TestConfigSpeaksTheProtocols(t *testing.T) {
	f := write(t, "127.0.0.1", nil)
	address := serve(t, f)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: f.server.Pool(), NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("negotiated %q", got)
	}
	old := &tls.Config{RootCAs: f.server.Pool(), MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", address, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("the client trusts anybody, the test shows nothing")
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); time.Since(start) < patience; time.Sleep(50 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("not seen: %s", what)
}
