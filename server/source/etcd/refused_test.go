package etcd_test

import (
	"context"
	"net"
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
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				if err := do(ctx); err == nil || !strings.Contains(err.Error(), "connection refused") {
					t.Errorf("%s: %v", call, err)
				}
				cancel()
			}
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}
