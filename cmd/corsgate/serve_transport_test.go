package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// TestAdminTLS serves the admin pages over mTLS, on an address that would be
// refused without.
func TestAdminTLS(t *testing.T) {
	folder, authority := t.TempDir(), tlstest.New(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	authority.Write(t, in("tls.crt"), in("tls.key"), "localhost", "127.0.0.1")
	c := serveConfig{
		policies: filepath.Join(root, "envoy", "policies"), grpcListen: "127.0.0.1:0", adminListen: "0.0.0.0:0",
		poll: time.Hour, // the files do not change
		transport: transport{adminTLS: tlsFlags{
			cert: in("tls.crt"), key: in("tls.key"), clientCA: authority.WriteCA(t, in("ca.crt")), allowed: []string{"ops.example"},
		}},
	}
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	for _, client := range []struct {
		name string
		in   bool
	}{{"ops.example", true}, {"dev.example", false}} {
		tlsConfig := &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{*authority.Client(t, client.name)}}
		if err := askTLS(ctx, svc, tlsConfig); (err == nil) != client.in {
			t.Errorf("a client named %s: %v", client.name, err)
		}
	}
	if err := askTLS(ctx, svc, &tls.Config{RootCAs: authority.Pool()}); err == nil {
		t.Error("a client without a certificate is let in")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// askTLS asks the admin listener for a page.
func askTLS(ctx context.Context, svc *wired, config *tls.Config) error {
	_, port, err := net.SplitHostPort(svc.admin.Listener.Addr().String())
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:"+port+"/healthz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
