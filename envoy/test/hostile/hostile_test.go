package hostile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
)

const policies = `policies:
- name: app
  cors: {allowOrigins: [https://app.example.com]}
`

const (
	// memoryBound is what the process may hold at its peak, whatever a client
	// does here.
	memoryBound = 320 << 20
	// hostility is how long an attack without an end of its own lasts.
	hostility = 3 * time.Second
)

// target is a corsgate under attack.
type target struct{ *corsgatetest.Process }

func TestHostileClient(t *testing.T) {
	binary, file := corsgatetest.Build(t), filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(file, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		attack func(*testing.T, target)
	}{
		{"no first message", noFirstMessage},
		{"endless messages", endlessMessages},
		{"endless messages, and no answer is read", unreadAnswers},
		{"huge messages", hugeMessages},
		{"huge messages that do not end", unfinishedMessages},
		{"10,000 idle calls", idleCalls},
		{"rapid resets", rapidResets},
		{"garbage", garbage},
		{"huge metadata", hugeMetadata},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := target{corsgatetest.Start(t, binary, "--policies", file)}
			p.answers(t)
			c.attack(t, p)
			p.answers(t)
			peak := p.peak(t)
			t.Logf("at its peak the process held %d MiB", peak>>20)
			if peak > memoryBound {
				t.Errorf("the process held %d MiB, the bound is %d MiB", peak>>20, memoryBound>>20)
			}
		})
	}
}

// answers asks a question as Envoy does.
func (p target) answers(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	stream := p.call(ctx, t)
	if err := stream.Send(question()); err != nil {
		t.Fatalf("ask: %v", err)
	}
	m, err := stream.Recv()
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	if got := m.GetDynamicMetadata().GetFields()["corsgate"].GetStructValue().GetFields()["reason"].GetStringValue(); got != "request_allowed" {
		t.Fatalf("answered %q: %v", got, m)
	}
}

// call opens a call of ext_proc on a connection of its own.
func (p target) call(ctx context.Context, t *testing.T) extprocv3.ExternalProcessor_ProcessClient {
	t.Helper()
	conn, err := grpc.NewClient(p.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := extprocv3.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		t.Fatalf("open a call: %v", err)
	}
	return stream
}

// question is a request of an allowed origin.
func question(more ...*corev3.HeaderValue) *extprocv3.ProcessingRequest {
	headers := []*corev3.HeaderValue{
		{Key: ":method", RawValue: []byte("GET")}, {Key: ":path", RawValue: []byte("/")},
		{Key: ":authority", RawValue: []byte("app.test")}, {Key: "origin", RawValue: []byte("https://app.example.com")},
	}
	return &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{
		RequestHeaders: &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{Headers: append(headers, more...)}},
	}}
}

// peak is the most memory that the process has held.
func (p target) peak(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Skipf("this system does not tell a process's memory: %v", err)
	}
	return 1024 * corsgatetest.Number(t, string(text), `VmHWM:\s+(\d+) kB`)
}

// goroutines is how many the process has. To list them would take memory.
func (p target) goroutines(t *testing.T) int {
	t.Helper()
	text, err := p.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return corsgatetest.Number(t, text, `(?m)^go_goroutines (\d+)`)
}

func noFirstMessage(t *testing.T, p target) {
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	r := dialRaw(t, p.GRPC)
	for range server.MaxWaiting {
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
	}
	for held := 0; held < server.MaxWaiting; held = p.goroutines(t) {
		p.answers(t)
	}
	began := time.Now()
	_, err := p.call(ctx, t).Recv()
	if err == nil || ctx.Err() != nil || time.Since(began) < server.DefaultFirstMessage {
		t.Errorf("ended after %v by %v, want its end after %v", time.Since(began), err, server.DefaultFirstMessage)
	}
}

func endlessMessages(t *testing.T, p target) {
	for end := time.Now().Add(hostility); time.Now().Before(end); {
		stream := p.call(t.Context(), t)
		for time.Now().Before(end) && stream.Send(question()) == nil {
			if _, err := stream.Recv(); err != nil {
				break
			}
		}
	}
}

func unreadAnswers(t *testing.T, p target) {
	for range 8 {
		stream := p.call(t.Context(), t)
		go func() {
			for err := error(nil); err == nil; {
				err = stream.Send(question())
			}
		}()
	}
	p.answers(t)
	time.Sleep(hostility)
}

func hugeMessages(t *testing.T, p target) {
	for range 20 {
		stream := p.call(t.Context(), t)
		value := make([]byte, 8<<20)
		_ = stream.Send(question(&corev3.HeaderValue{Key: "cookie", RawValue: value})) // Recv tells
		_, err := stream.Recv()
		if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), strconv.Itoa(server.DefaultMaxMessage)) {
			t.Errorf("got %v, want %v that names the limit", err, codes.ResourceExhausted)
		}
	}
}

func unfinishedMessages(t *testing.T, p target) {
	const part = 8 << 10
	for range 8 {
		r := dialRaw(t, p.GRPC)
		for range 7 { // as many as the connection's window has room for
			if err := errors.Join(r.open(), r.announce(server.DefaultMaxMessage, part)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.answers(t)
	time.Sleep(hostility)
}

// idleCalls holds 10,000 calls open, asks meanwhile, and sees them go but for
// those that may stay. If it takes so long to open them that the first have
// gone, fewer are held.
func idleCalls(t *testing.T, p target) {
	before := p.goroutines(t)
	const connections, calls = 10, 1000
	began := time.Now()
	for range connections {
		r := dialRaw(t, p.GRPC)
		for range calls {
			if err := r.open(); err != nil {
				t.Fatal(err)
			}
		}
		r.taken(t)
	}
	held := p.goroutines(t)
	if held < connections*calls && time.Since(began) < server.DefaultFirstMessage {
		t.Errorf("%d goroutines: the calls are not held, the test shows nothing", held)
	}
	p.answers(t)
	servertest.Await(t, fmt.Sprintf("to have %d goroutines again, and those that may stay", before), func() bool {
		return p.goroutines(t) <= before+server.MaxWaiting+5*connections
	})
}

func rapidResets(t *testing.T, p target) {
	var running sync.WaitGroup
	for range 4 {
		r := dialRaw(t, p.GRPC)
		running.Go(func() {
			for range 20_000 {
				if r.open() != nil || r.reset() != nil {
					return // the server has hung up
				}
			}
		})
	}
	p.answers(t)
	running.Wait()
}

func garbage(t *testing.T, p target) {
	random := rand.New(rand.NewPCG(1, 2))
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.UintN(256))
		}
		return b
	}
	for i := range 100 {
		conn, err := net.Dial("tcp", p.GRPC)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		}
		_, _ = conn.Write(bytes(4096)) // the server may hang up
		conn.Close()
		r := dialRaw(t, p.GRPC)
		_ = r.open()
		_ = r.framer.WriteData(r.last, false, append([]byte{0, 0, 0, 0, 200}, bytes(200)...))
		_, _ = r.conn.Write(bytes(1 + i))
	}
}

func hugeMetadata(t *testing.T, p target) {
	for range 20 {
		r := dialRaw(t, p.GRPC)
		for range 50 {
			field := hpack.HeaderField{Name: "x-corsgate-policy", Value: strings.Repeat("a", 12<<10), Sensitive: true}
			if r.open(field, field) != nil {
				break
			}
		}
	}
}
