// Package envoytest runs real Envoys in tests.
package envoytest

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/lines/linestest"
)

// findTimeout bounds the installation of an Envoy.
const findTimeout = 5 * time.Minute

// MessageTimeout is the longest possible one, for tests that are not about it.
const MessageTimeout = time.Minute

// Patient lengthens the timeouts of a generated bootstrap, so that a slow process does not
// count as dead: health checks, pings and connections may take as long as a message.
func Patient(bootstrap map[string]any) {
	patient(bootstrap["static_resources"].(map[string]any)["clusters"])
}

// patient lengthens the timeouts at any depth of v.
func patient(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			patient(item)
		}
	case map[string]any:
		for name, value := range v {
			if name == "timeout" || name == "connect_timeout" {
				v[name] = "60s"
			}
			patient(value)
		}
	}
}

// FreeAddress returns an address of loopback that nobody listens on. Its port is below
// those that systems give out, so nobody gets it by chance.
func FreeAddress() string {
	for {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(12_000)))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close() // nobody has connected
			return address
		}
	}
}

// Bootstrap returns the JSON object of c's bootstrap, with the timeouts of
// Patient, for a test to change.
func Bootstrap(t testing.TB, c envoy.Config) map[string]any {
	t.Helper()
	doc, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var b map[string]any
	if err := json.Unmarshal(doc, &b); err != nil {
		t.Fatal(err)
	}
	Patient(b)
	return b
}

// Manager is the HTTP connection manager of a bootstrap's traffic listener.
func Manager(bootstrap map[string]any) map[string]any {
	listener := bootstrap["static_resources"].(map[string]any)["listeners"].([]any)[0].(map[string]any)
	chain := listener["filter_chains"].([]any)[0].(map[string]any)
	return chain["filters"].([]any)[0].(map[string]any)["typed_config"].(map[string]any)
}

// ServeHTTP serves s on l until the test ends.
func ServeHTTP(t testing.TB, s *http.Server, l net.Listener) {
	t.Helper()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l) // it ends with Close
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
	})
}

// Full skips a test that takes long, or needs much of the machine, unless
// CORSGATE_TEST=full asks for all tests.
func Full(t testing.TB) {
	t.Helper()
	if os.Getenv("CORSGATE_TEST") != "full" {
		t.Skip("only in full: set CORSGATE_TEST=full")
	}
}

// Binary returns the path of an Envoy. If there is none, and it cannot be
// installed, the test is skipped, or fails when CI=true.
func Binary(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), findTimeout)
	defer cancel()
	var progress bytes.Buffer
	path, err := envoy.Find(ctx, &progress)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no envoy: %v\n%s", err, progress.String())
	}
	t.Skipf("no envoy: %v\n%s", err, progress.String())
	return ""
}

// Running is an Envoy that takes traffic.
type Running struct {
	// Addresses are where it listens.
	envoy.Addresses
	// Output is what it has printed: the access log and its own log.
	Output *linestest.Buffer
	stop   func() error
}

// Stop ends the Envoy and waits for it; a second call does nothing.
func (r *Running) Stop() error { return r.stop() }

// Start runs an Envoy with one worker until the test ends and waits until it takes
// traffic. Its output is shown if the test fails.
func Start(t testing.TB, bootstrap []byte) *Running {
	t.Helper()
	return StartWorkers(t, bootstrap, 1)
}

// StartWorkers is Start for so many workers.
func StartWorkers(t testing.TB, bootstrap []byte, workers int) *Running {
	t.Helper()
	binary := Binary(t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan envoy.Addresses, 1), make(chan error, 1)
	out := &linestest.Buffer{}
	p := envoy.Process{Binary: binary, Bootstrap: bootstrap, Concurrency: workers, Ready: func(a envoy.Addresses) { ready <- a }, Stdout: out, Stderr: out}
	go func() { ended <- p.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop envoy: %v", err)
		}
		if t.Failed() {
			t.Logf("envoy printed:\n%s", out)
		}
	})
	select {
	case a := <-ready:
		return &Running{Addresses: a, Output: out, stop: stop}
	case err := <-ended:
		ended <- nil
		t.Fatalf("start envoy: %v", err)
		return nil
	}
}
