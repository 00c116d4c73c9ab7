package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/bench/replay"
)

// recorder is a service that keeps what Envoy sends and lets everything
// through.
type recorder struct {
	extprocv3.UnimplementedExternalProcessorServer
	authv3.UnimplementedAuthorizationServer

	mu   sync.Mutex
	last replay.Stream // the stream that began last
}

// Process keeps the messages of a stream.
func (r *recorder) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	r.begin(stream.Context(), extprocv3.ExternalProcessor_Process_FullMethodName)
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil // Envoy has what it needs
		}
		if err := r.keep(in); err != nil {
			return err
		}
		if err := stream.Send(noopAnswer(in)); err != nil {
			return err
		}
	}
}

// Check keeps a call.
func (r *recorder) Check(ctx context.Context, in *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	r.begin(ctx, authv3.Authorization_Check_FullMethodName)
	if err := r.keep(in); err != nil {
		return nil, err
	}
	return noop{}.Check(ctx, in)
}

func (r *recorder) begin(ctx context.Context, method string) {
	s := replay.Stream{Path: method, Unary: method == authv3.Authorization_Check_FullMethodName}
	md, _ := metadata.FromIncomingContext(ctx)
	// grpc-go keeps te, which it demands, to itself.
	s.Header = append(s.Header, replay.Field{Name: "te", Value: "trailers"})
	for _, name := range slices.Sorted(maps.Keys(md)) {
		for _, value := range md[name] {
			s.Header = append(s.Header, replay.Field{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(s.Header, pseudoFirst)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = s
}

// pseudoFirst orders :authority before the other fields (RFC 9113, section 8.3).
func pseudoFirst(a, b replay.Field) int {
	rank := func(f replay.Field) int {
		if strings.HasPrefix(f.Name, ":") {
			return 0
		}
		return 1
	}
	return rank(a) - rank(b)
}

func (r *recorder) keep(m proto.Message) error {
	encoded, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last.Messages = append(r.last.Messages, encoded)
	return nil
}

func (r *recorder) stream() replay.Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// recordAll returns the streams that a real Envoy opens for each kind of
// request, by profile.
func recordAll(ctx context.Context, binary, upstream string, kinds []kind) (_ map[envoy.Profile]map[string]replay.Stream, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := &recorder{}
	srv := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(srv, r)
	authv3.RegisterAuthorizationServer(srv, r)
	healthv1.RegisterHealthServer(srv, healthy())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() {
		srv.Stop()
		err = errors.Join(err, <-served)
	}()
	streams := map[envoy.Profile]map[string]replay.Stream{}
	for _, profile := range []envoy.Profile{envoy.OneTrip, envoy.TwoPhase, envoy.ExtAuthz} {
		c := envoy.Config{Profile: profile, Upstream: upstream, Service: l.Addr().String()}
		if streams[profile], err = r.record(ctx, binary, c, kinds); err != nil {
			return nil, fmt.Errorf("record %s: %w", profile, err)
		}
	}
	return streams, nil
}

// healthy says that everything serves.
func healthy() healthv1.HealthServer {
	h := health.NewServer()
	for _, name := range []string{extprocv3.ExternalProcessor_ServiceDesc.ServiceName, authv3.Authorization_ServiceDesc.ServiceName} {
		h.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	return h
}

// record makes one request of each kind through an Envoy with c. The recorder
// lets preflights through, so the upstream answers them.
func (r *recorder) record(ctx context.Context, binary string, c envoy.Config, kinds []kind) (_ map[string]replay.Stream, err error) {
	f, err := startGenerated(ctx, binary, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	streams := map[string]replay.Stream{}
	for _, k := range kinds {
		job := requestsJob{Address: f.address, Request: k.request(), Status: k.upstreamStatus, Connections: 1, Total: 1}
		if err := job.once(ctx); err != nil {
			return nil, err
		}
		streams[k.name] = r.stream()
		if len(streams[k.name].Messages) == 0 {
			return nil, fmt.Errorf("envoy asked nothing about a %s", k.name)
		}
	}
	return streams, nil
}
