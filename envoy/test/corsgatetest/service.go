package corsgatetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/source/file"
)

// Service is a corsgate within the test, as "corsgate serve" wires it.
type Service struct {
	// Address is where Envoy asks: HOST:PORT, or unix://PATH.
	Address  string
	Reloader *live.Reloader
	GRPC     *server.Server
	// Stop drains it. The end of the test does so too.
	Stop func()
}

// Serve serves the policies of a file or folder on address until the test ends. C
// says what else the service is made of.
func Serve(t testing.TB, address, policies string, c service.Config) *Service {
	t.Helper()
	l, err := server.Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	if l.Addr().Network() == "tcp" {
		address = l.Addr().String() // with the port that the system chose
	}
	c.Source, c.GRPC = &file.Source{Path: policies}, &server.Server{Listener: l}
	s := service.New(c)
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &Service{Address: address, Reloader: s.Reloader, GRPC: c.GRPC, Stop: servertest.Run(t, s.Run)}
}

// WritePolicies writes a policy file, or replaces it at once.
func WritePolicies(t testing.TB, path, policies string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(path), ".next")
	if err := os.WriteFile(next, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}
