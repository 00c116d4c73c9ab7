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

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/source/file"
)

// corsgate is one, as "corsgate serve" wires it.
type corsgate struct {
	address  string
	folder   string // of the policy files
	reloader *live.Reloader
	grpc     *server.Server
	stop     func()
}

// startService serves policies on address until the test ends.
func startService(t *testing.T, address, policies string) *corsgate {
	t.Helper()
	return serve(t, address, folderOf(policies), nil)
}

// nobody is a corsgate that does not run, with the policies of a folder. Without
// an address there is none to ask.
func nobody(t *testing.T, address string, policies fs.FS) *corsgate {
	t.Helper()
	s := &corsgate{address: address, folder: t.TempDir()}
	if err := os.CopyFS(s.folder, policies); err != nil {
		t.Fatal(err)
	}
	return s
}

const policyFile = "policies.yaml"

// folderOf is a folder with one policy file.
func folderOf(policies string) fs.FS { return fstest.MapFS{policyFile: {Data: []byte(policies)}} }

// serve serves the policies of a folder on address until the test ends, and
// tells o of each decision, unless it is nil.
func serve(t *testing.T, address string, policies fs.FS, o server.Observer) *corsgate {
	t.Helper()
	l, err := server.Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := nobody(t, address, policies)
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		s.address = tcp.String() // with the port that the system chose
	}
	s.grpc = &server.Server{Listener: l}
	config := service.Config{Source: &file.Source{Path: s.folder}, GRPC: s.grpc}
	if o != nil {
		config.Observers = server.Observers{o}
	}
	running := service.New(config)
	s.reloader = running.Reloader
	if err := running.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop = servertest.Run(t, running.Run)
	return s
}

// write replaces the policy file at once.
func (s *corsgate) write(t *testing.T, policies string) {
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
