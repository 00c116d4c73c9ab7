package e2e

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/source/file"
)

// service is corsgate, as "corsgate serve" wires it.
type service struct {
	address  string
	folder   string // of the policy files
	reloader *server.Reloader
	stop     func()
}

// startService serves policies on address until the test ends.
func startService(t *testing.T, address, policies string) *service {
	t.Helper()
	l, err := server.Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{address: address, folder: t.TempDir()}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		s.address = tcp.String() // with the port that the system chose
	}
	s.write(t, policies)
	store := &policy.Store{}
	s.reloader = &server.Reloader{Source: &file.Source{Path: s.folder}, Store: store}
	if err := s.reloader.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.reloader.Run(ctx) })
	g.Go(func() error { return (&server.Server{Listener: l, Store: store}).Run(ctx) })
	ended := make(chan struct{})
	s.stop = func() {
		cancel()
		<-ended
	}
	go func() {
		defer close(ended)
		if err := g.Wait(); err != nil {
			t.Errorf("corsgate: %v", err)
		}
	}()
	t.Cleanup(s.stop)
	return s
}

// write replaces the policy file at once.
func (s *service) write(t *testing.T, policies string) {
	t.Helper()
	next := filepath.Join(s.folder, ".next")
	if err := os.WriteFile(next, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(s.folder, "policies.yaml")); err != nil {
		t.Fatal(err)
	}
}
