package e2e

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/service"
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
	var c service.Config
	if o != nil {
		c.Observers = server.Observers{o}
	}
	return serveConfig(t, address, policies, c)
}

// serveConfig serves the policies of a folder on address until the test ends. C says
// what else the service is made of.
func serveConfig(t *testing.T, address string, policies fs.FS, c service.Config) *corsgate {
	t.Helper()
	s := nobody(t, address, policies)
	running := corsgatetest.Serve(t, address, s.folder, c)
	s.address, s.reloader, s.grpc, s.stop = running.Address, running.Reloader, running.GRPC, running.Stop
	return s
}

// write replaces the policy file at once.
func (s *corsgate) write(t *testing.T, policies string) {
	t.Helper()
	corsgatetest.WritePolicies(t, filepath.Join(s.folder, policyFile), policies)
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
