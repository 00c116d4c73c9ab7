// Package servertest has what the tests of the service share.
package servertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/live"
)

// Patience is far above what anything takes, on a machine that has much else to
// do.
const Patience = 3 * time.Minute

// Context returns a context that ends after Patience, or with the test.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Await looks until it is ok; after Patience the test fails.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > Patience {
			t.Fatalf("%s: waited in vain", what)
		}
	}
}

// Ask makes a request, and returns the answer and its body. A header is "name: value"; an
// empty one is left out, and Host replaces the URL's.
func Ask(t testing.TB, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		switch name, value, _ := strings.Cut(h, ": "); name {
		case "":
		case "Host":
			r.Host = value
		default:
			r.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

// Dial connects to a listener in memory, without TLS unless options say so. The connection
// is closed when the test ends.
func Dial(t testing.TB, l *bufconn.Listener, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	own := []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}
	conn, err := grpc.NewClient("passthrough:///bufconn", append(own, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Run has a service run until stop is called, which waits for its end, or the
// test ends. The test fails if run returns an error, or goes on when its context has
// ended.
func Run(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run until its context ended: %v, want no error", err)
			}
		case <-time.After(Patience):
			t.Error("goes on when its context has ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

// Prepare has a sink prepare a set, and returns what commits it.
func Prepare(t testing.TB, s live.Sink, set *policy.Set) (commit func()) {
	t.Helper()
	commit, err := s.Prepare(set)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}
