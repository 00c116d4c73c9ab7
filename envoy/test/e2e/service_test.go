package e2e

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/file"
	"github.com/corsgate/corsgate/server/wire"
)

// service is corsgate, as "corsgate serve" wires it.
type service struct {
	address  string
	folder   string // of the policy files
	reloader *live.Reloader
	grpc     *server.Server
	stop     func()
}

// startService serves policies on address until the test ends.
func startService(t *testing.T, address, policies string) *service {
	t.Helper()
	return serve(t, address, folderOf(policies), nil)
}

const policyFile = "policies.yaml"

// folderOf is a folder with one policy file.
func folderOf(policies string) fs.FS { return fstest.MapFS{policyFile: {Data: []byte(policies)}} }

// serve serves the policies of a folder on address until the test ends, and
// tells o of each decision, unless it is nil.
func serve(t *testing.T, address string, policies fs.FS, o server.Observer) *service {
	t.Helper()
	l, err := server.Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{address: address, folder: t.TempDir()}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		s.address = tcp.String() // with the port that the system chose
	}
	if err := os.CopyFS(s.folder, policies); err != nil {
		t.Fatal(err)
	}
	handler := &wire.Handler{Observer: o}
	s.grpc = &server.Server{Listener: l, Handler: handler}
	s.reloader = &live.Reloader{Source: &file.Source{Path: s.folder}, Sinks: []live.Sink{handler}}
	if err := s.reloader.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.reloader.Run(ctx) })
	g.Go(func() error { return s.grpc.Run(ctx) })
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
	if err := os.Rename(next, filepath.Join(s.folder, policyFile)); err != nil {
		t.Fatal(err)
	}
}

// decisions counts decisions by path and query. It is safe for concurrent use.
type decisions struct {
	mu     sync.Mutex
	byPath map[string]int
}

// Observe implements server.Observer.
func (d *decisions) Observe(_ context.Context, r *policy.Request, _ *policy.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byPath == nil {
		d.byPath = map[string]int{}
	}
	d.byPath[strings.Clone(r.Path)]++
}

func (d *decisions) of(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byPath[path]
}
