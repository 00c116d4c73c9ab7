package etcd_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/store"
)

// TestARefusedConnectionSaysSo has an address where nobody listens.
func TestARefusedConnectionSaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]etcd.Config{
		"without a user": {},
		"with a user":    {User: "a", Password: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			config.URL = "etcd://" + address + "/edge"
			b, err := etcd.Open(config)
			if err != nil {
				t.Fatal(err)
			}
			for call, do := range map[string]func(context.Context) error{
				"Get":  func(ctx context.Context) error { _, err := b.Get(ctx, "w/target"); return err },
				"Swap": func(ctx context.Context) error { _, err := b.Swap(ctx, []store.Object{{Key: "w/target"}}); return err },
			} {
				expectTrouble(t, call, "connection refused", do)
			}
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// expectTrouble wants a call to say why it fails.
func expectTrouble(t *testing.T, name, want string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := call(ctx); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}

// TestAServerOfAnotherKindIsNamed has a web server where etcd should be.
func TestAServerOfAnotherKindIsNamed(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for name, c := range map[string]struct{ scheme, at, want string }{
		"TLS to a plain port":              {"etcds://", web.URL, "first record does not look like a TLS handshake"},
		"no TLS to a web server":           {"etcd://", web.URL, "error reading server preface"},
		"a certificate of somebody else's": {"etcds://", secure.URL, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at, _ := strings.Cut(c.at, "//")
			b, err := etcd.Open(etcd.Config{URL: c.scheme + at + "/edge"})
			if err != nil {
				t.Fatal(err)
			}
			expectTrouble(t, "Get", c.want, func(ctx context.Context) error { _, err := b.Get(ctx, "w/target"); return err })
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}
