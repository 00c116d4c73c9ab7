package replay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy/bench/replay"
)

// service answers each message and keeps how the streams went.
type service struct {
	extprocv3.UnimplementedExternalProcessorServer
	authv3.UnimplementedAuthorizationServer

	// silent ends a stream before it has answered.
	silent bool

	mu     sync.Mutex
	ends   map[codes.Code]int // how streams ended
	counts counts
	header metadata.MD // of the last stream
}

// counts are numbers of streams.
type counts struct {
	open, most int // now, and the most at a time
}

func (s *service) now() counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

func (s *service) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	s.began(stream.Context())
	for {
		in, err := stream.Recv()
		if err != nil {
			s.ended(err)
			return err
		}
		if s.silent {
			return nil
		}
		out := &extprocv3.ProcessingResponse{Response: &extprocv3.ProcessingResponse_RequestHeaders{}}
		if in.GetResponseHeaders() != nil {
			out.Response = &extprocv3.ProcessingResponse_ResponseHeaders{}
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (s *service) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends[codes.OK]++
	return &authv3.CheckResponse{}, nil
}

func (s *service) began(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header, _ = metadata.FromIncomingContext(ctx)
	s.counts.open++
	s.counts.most = max(s.counts.most, s.counts.open)
}

func (s *service) ended(err error) {
	code := status.Code(err)
	if errors.Is(err, io.EOF) {
		code = codes.OK
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.open--
	s.ends[code]++
}

// await returns once n streams have ended.
func (s *service) await(t *testing.T, n int) map[codes.Code]int {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if ends := s.endsNow(); sum(ends) == n {
			return ends
		}
	}
	t.Fatalf("%d streams should have ended, but they are %v", n, s.endsNow())
	return nil
}

func (s *service) endsNow() map[codes.Code]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ends)
}

func sum(ends map[codes.Code]int) (n int) {
	for _, count := range ends {
		n += count
	}
	return n
}

func serve(t *testing.T, s *service) string {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	s.ends = map[codes.Code]int{}
	srv := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(srv, s)
	authv3.RegisterAuthorizationServer(srv, s)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "unix://" + l.Addr().String()
}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// twoPhase is a stream with a question in each phase.
func twoPhase(t *testing.T) replay.Stream {
	return replay.Stream{
		Path:   extprocv3.ExternalProcessor_Process_FullMethodName,
		Header: []replay.Field{{Name: ":authority", Value: "corsgate"}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}, {Name: "x-from", Value: "test"}},
		Messages: [][]byte{
			encode(t, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{RequestHeaders: &extprocv3.HttpHeaders{}}}),
			encode(t, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: &extprocv3.HttpHeaders{}}}),
		},
	}
}

func dial(t *testing.T, address string, s replay.Stream) *replay.Client {
	t.Helper()
	c, err := replay.Dial(t.Context(), address, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRunEndsEachStreamByAReset(t *testing.T) {
	s := &service{}
	c := dial(t, serve(t, s), twoPhase(t))
	var steps [2]int
	c.Answer = func(step int, message []byte) {
		var out extprocv3.ProcessingResponse
		if err := proto.Unmarshal(message, &out); err != nil {
			t.Errorf("answer to message %d: %v", step, err)
		}
		if (out.GetResponseHeaders() != nil) != (step == 1) {
			t.Errorf("answer to message %d is %v", step, &out)
		}
		steps[step]++
	}
	if err := c.Run(t.Context(), 100, 7); err != nil {
		t.Fatal(err)
	}
	if ends := s.await(t, 100); ends[codes.Canceled] != 100 {
		t.Errorf("streams ended %v, want all by a reset", ends)
	}
	if steps != [2]int{100, 100} {
		t.Errorf("answers %v", steps)
	}
	if got := s.header.Get("x-from"); len(got) != 1 || got[0] != "test" {
		t.Errorf("header %v", s.header)
	}
}

func TestRunAsksOneCallAfterAnother(t *testing.T) {
	s := &service{}
	stream := twoPhase(t)
	stream.Path, stream.Unary = authv3.Authorization_Check_FullMethodName, true
	stream.Messages = [][]byte{encode(t, &authv3.CheckRequest{})}
	if err := dial(t, serve(t, s), stream).Run(t.Context(), 50, 3); err != nil {
		t.Fatal(err)
	}
	if ends := s.await(t, 50); ends[codes.OK] != 50 {
		t.Errorf("calls ended %v", ends)
	}
}

// Three thousand open streams have more bytes than a server takes at once.
func TestParkKeepsStreamsOpen(t *testing.T) {
	s := &service{}
	stream := twoPhase(t)
	header := &corev3.HeaderValue{Key: "x-fill", RawValue: bytes.Repeat([]byte("x"), 300)}
	stream.Messages[0] = encode(t, &extprocv3.ProcessingRequest{Request: &extprocv3.ProcessingRequest_RequestHeaders{
		RequestHeaders: &extprocv3.HttpHeaders{Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{header}}},
	}})
	c := dial(t, serve(t, s), stream)
	const parked = 3000
	if err := c.Park(t.Context(), parked, 500); err != nil {
		t.Fatal(err)
	}
	if now := s.now(); now.open != parked || now.most != parked {
		t.Fatalf("streams: %+v", now)
	}
	if err := c.Run(t.Context(), 200, 16); err != nil {
		t.Fatal(err)
	}
	s.await(t, 200)
	if now := s.now(); now.open != parked {
		t.Errorf("streams: %+v", now)
	}
}

func TestAServerThatDoesNotAnswerIsAnError(t *testing.T) {
	c := dial(t, serve(t, &service{silent: true}), twoPhase(t))
	if err := c.Run(t.Context(), 1, 1); err == nil || !strings.Contains(err.Error(), "without an answer") {
		t.Errorf("got %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/mute")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dial(t, "unix://"+l.Addr().String(), twoPhase(t))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Run(ctx, 1, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
