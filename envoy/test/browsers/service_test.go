package browsers

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
)

// corsgate is one, as "corsgate serve" wires it, with an observer that
// notes the reasons of decisions.
type corsgate struct {
	address  string
	file     string // the policies
	reloader *live.Reloader

	mu      sync.Mutex
	reasons map[string][]string // :: id of a trial -> reasons, in order
}

// startService serves policies until the test ends.
func startService(t *testing.T, policies string) *corsgate {
	t.Helper()
	s := &corsgate{file: filepath.Join(t.TempDir(), "policies.yaml"), reasons: map[string][]string{}}
	corsgatetest.WritePolicies(t, s.file, policies)
	running := corsgatetest.Serve(t, "127.0.0.1:0", s.file, service.Config{Observers: server.Observers{s}})
	s.address, s.reloader = running.Address, running.Reloader
	return s
}

// replace has other policies served.
func (s *corsgate) replace(t *testing.T, policies string) {
	t.Helper()
	corsgatetest.WritePolicies(t, s.file, policies)
	if _, err := s.reloader.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Observe implements server.Observer. Requests without an Origin are left out:
// corsgate is asked about them in one profile only.
func (s *corsgate) Observe(_ context.Context, r *policy.Request, d *policy.Decision) {
	if d.Reason == policy.ReasonNotCORS || r.Origin == "" {
		return
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	id = strings.Clone(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons[id] = append(s.reasons[id], d.Reason.String())
}

// decided returns the reasons of the decisions of a trial, in order.
func (s *corsgate) decided(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.reasons[id], " ")
}

// decided returns the reasons of the decisions of a trial, in order: those of the
// service, or in no-trip those of Envoy's access log, which may come late.
func (s *stack) decided(id, want string) (reasons string) {
	if s.config.Profile != envoy.NoTrip {
		return s.service.decided(id)
	}
	for start := time.Now(); time.Since(start) < servertest.Patience; time.Sleep(5 * time.Millisecond) {
		if reasons = logged(s.envoy.Output.String(), id); reasons == want {
			break
		}
	}
	return reasons
}

// logged returns the reasons in Envoy's access log of a trial's requests.
func logged(log, id string) string {
	var reasons []string
	for line := range strings.Lines(log) {
		var l struct{ Path, Reason string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Reason != "" && strings.HasPrefix(l.Path, "/"+id+"/") {
			reasons = append(reasons, l.Reason)
		}
	}
	return strings.Join(reasons, " ")
}

// withOrigin counts the requests with an Origin in Envoy's access log.
func withOrigin(log string) (n int) {
	for line := range strings.Lines(log) {
		var l struct{ Origin string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Origin != "" {
			n++
		}
	}
	return n
}
