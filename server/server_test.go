package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

var healthNames = []string{"", "envoy.service.ext_proc.v3.ExternalProcessor", "envoy.service.auth.v3.Authorization"}

// running is a server on a real listener.
type running struct {
	conn  *grpc.ClientConn
	stop  context.CancelFunc
	ended chan error
}

func run(t *testing.T, s *server.Server, address string) *running {
	t.Helper()
	l, err := server.Listen(address, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = l
	target := address
	if l.Addr().Network() == "tcp" {
		target = l.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- s.Run(ctx) }()
	r.conn, err = grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close(); cancel() })
	return r
}

// runInMemory is run without a network, for a bubble of synctest.
func runInMemory(t *testing.T, s *server.Server) *running {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s.Listener = l
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- s.Run(ctx) }()
	r.conn = servertest.Dial(t, l)
	t.Cleanup(func() { r.conn.Close(); cancel() })
	return r
}

// end waits for Run to return nil.
func (r *running) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(servertest.Patience):
		t.Fatal("Run did not return")
	}
}

func (r *running) health(t *testing.T, name string) healthv1.HealthCheckResponse_ServingStatus {
	t.Helper()
	out, err := healthv1.NewHealthClient(r.conn).Check(servertest.Context(t), &healthv1.HealthCheckRequest{Service: name})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetStatus()
}

func (r *running) awaitHealth(t *testing.T, want healthv1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	for _, name := range healthNames {
		servertest.Await(t, "health of "+name, func() bool { return r.health(t, name) == want })
	}
}

func TestServerIsHealthyFromTheFirstSet(t *testing.T) {
	handler := &wire.Handler{}
	s := &server.Server{Handler: handler}
	r := run(t, s, "127.0.0.1:0")
	for _, name := range healthNames {
		if got := r.health(t, name); got != healthv1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("health of %q before the first set: %v", name, got)
		}
	}
	if s.Ready() {
		t.Error("ready before the first set")
	}
	servertest.Prepare(t, handler, policytest.Compile(t, testSpecs()...))()
	r.awaitHealth(t, healthv1.HealthCheckResponse_SERVING)
	if !s.Ready() {
		t.Error("not ready after the first set")
	}
	r.stop()
	r.end(t)
}

func TestServerDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server.Server{Handler: testHandler(t, nil), DrainDelay: 2 * time.Second, DrainTimeout: 15 * time.Second}
		r := runInMemory(t, s)
		r.awaitHealth(t, healthv1.HealthCheckResponse_SERVING)
		stream, err := extprocv3.NewExternalProcessorClient(r.conn).Process(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, stream, get("list.test", app)) // parked until the upstream answers

		r.stop()
		synctest.Wait()
		for _, name := range healthNames {
			if got := r.health(t, name); got != healthv1.HealthCheckResponse_NOT_SERVING {
				t.Errorf("health of %q while draining: %v", name, got)
			}
		}
		if s.Ready() {
			t.Error("ready while draining")
		}
		time.Sleep(s.DrainDelay - time.Millisecond)
		late, err := extprocv3.NewExternalProcessorClient(r.conn).Process(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, late, get("nowhere.test", app)) // the delay still takes new streams
		time.Sleep(s.DrainTimeout)
		select {
		case err := <-r.ended:
			t.Fatalf("Run returned %v with a stream open", err)
		default:
		}
		exchange(t, stream, responseHeaders(":status: 200"))
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the parked stream ended with %v", err)
		}
		r.end(t)
	})
}

func TestServerCutsStreamsThatOutlastTheDrain(t *testing.T) {
	r := run(t, &server.Server{Handler: testHandler(t, nil), DrainTimeout: 100 * time.Millisecond}, "127.0.0.1:0")
	stream, err := extprocv3.NewExternalProcessorClient(r.conn).Process(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, stream, get("list.test", app))
	r.stop()
	r.end(t)
	if _, err := stream.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the stream was not cut: %v", err)
	}
}

// TestServerTakesEnvoysPings pings an idle connection as Envoy's
// connection_keepalive does, which grpc-go answers with GOAWAY by default.
func TestServerTakesEnvoysPings(t *testing.T) {
	t.Parallel()
	l, err := server.Listen("127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, (&server.Server{Handler: testHandler(t, nil), Listener: l}).Run)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	for i := range byte(5) {
		time.Sleep(600 * time.Millisecond)
		if err := framer.WritePing(false, [8]byte{i}); err != nil {
			t.Fatal(err)
		}
		awaitPong(t, framer, i)
	}
}

func awaitPong(t *testing.T, framer *http2.Framer, i byte) {
	t.Helper()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("ping %d: %v", i, err)
		}
		switch f := frame.(type) {
		case *http2.GoAwayFrame:
			t.Fatalf("ping %d: GOAWAY %v %s", i, f.ErrCode, f.DebugData())
		case *http2.PingFrame:
			if f.IsAck() && f.Data[0] == i {
				return
			}
		}
	}
}

func TestServerRefusesHugeMessages(t *testing.T) {
	r := run(t, &server.Server{Handler: testHandler(t, nil), MaxMessage: 1000}, "127.0.0.1:0")
	stream, err := extprocv3.NewExternalProcessorClient(r.conn).Process(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(get("list.test", string(make([]byte, 2000)))); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v, want ResourceExhausted", err)
	}
}

// socketPath is short enough for a socket whatever the test's name is.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "corsgate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s.sock")
}

func TestServerOnAUnixSocket(t *testing.T) {
	path := socketPath(t)
	leaveStaleSocket(t, path)
	r := run(t, &server.Server{Handler: testHandler(t, nil)}, "unix://"+path)
	r.awaitHealth(t, healthv1.HealthCheckResponse_SERVING)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != server.DefaultSocketMode {
		t.Errorf("mode %o, want %o", got, server.DefaultSocketMode)
	}
	r.stop()
	r.end(t)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// leaveStaleSocket leaves a socket file as a killed process does.
func leaveStaleSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListenLeavesAloneWhatIsNotItsOwn(t *testing.T) {
	t.Run("a file that is not a socket", func(t *testing.T) {
		path := socketPath(t)
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := server.Listen("unix://"+path, 0); err == nil {
			l.Close()
			t.Error("listened over a file")
		}
		if content, err := os.ReadFile(path); string(content) != "precious" {
			t.Errorf("the file now has %q, %v", content, err)
		}
	})
	t.Run("a socket that another process listens on", func(t *testing.T) {
		path := socketPath(t)
		l, err := server.Listen("unix://"+path, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if second, err := server.Listen("unix://"+path, 0); err == nil {
			second.Close()
			t.Error("listened twice on a socket")
		}
	})
}

func TestServerRunEndsWithItsListenersError(t *testing.T) {
	t.Run("an address that is taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s := &server.Server{Handler: testHandler(t, nil), Address: l.Addr().String()}
		if err := s.Run(servertest.Context(t)); err == nil {
			t.Error("Run returned nil")
		}
	})
	t.Run("a listener that fails later", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &server.Server{Handler: testHandler(t, nil), Listener: l, DrainDelay: time.Hour}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(servertest.Context(t)) }()
		servertest.Await(t, "ready", s.Ready)
		l.Close()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("Run returned nil")
			}
		case <-time.After(servertest.Patience):
			t.Error("Run goes on")
		}
	})
	t.Run("a context that has ended already", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := (&server.Server{Handler: testHandler(t, nil), Address: "127.0.0.1:0"}).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
