package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/corsgate/corsgate/server/wire"
)

// The defaults of Server's fields.
const (
	DefaultAddress      = "127.0.0.1:9001"
	DefaultDrainTimeout = 30 * time.Second
)

// Server serves both of Envoy's protocols, gRPC health, and the Services that join
// them, on one listener.
type Server struct {
	// If Listener is set, Run serves it, and closes it at the end. Otherwise Run listens
	// on Address, see Listen; empty means DefaultAddress.
	Listener net.Listener
	Address  string
	// SocketMode is the mode of a Unix socket; 0 means DefaultSocketMode.
	SocketMode fs.FileMode
	// Handler answers the questions; required. While it has no policies, the
	// health service says NOT_SERVING, and questions are answered with the code
	// Unavailable.
	Handler *wire.Handler
	// Meter measures what happens on the wire; nil means that nothing does.
	Meter Meter
	// Interceptors are called around each question, as for tracing.
	Interceptors Interceptors
	// Services are served besides Envoy's protocols. The context of a stream of
	// theirs ends when DrainDelay is over, and when it is older than
	// MaxConnectionAge. A stream that goes on delays the end, at most for DrainTimeout. A
	// panic of a handler is logged, and ends only its call.
	Services []Service
	// Absent are the names of gRPC services that are not served although an Envoy may call
	// them, each with what to do about it. The first call is logged with that.
	Absent map[string]string
	// Logger gets messages for operators; nil means that there are none.
	Logger *slog.Logger
	// DrainDelay is how long the service still takes new streams after it has
	// said NOT_SERVING, for Envoy to notice: at least one health check
	// interval. 0 means none.
	DrainDelay time.Duration
	// DrainTimeout bounds the wait for open streams after that. In the two-phase profile a
	// stream lasts until the upstream answers, so DrainTimeout should be longer than the
	// slowest route. 0 means DefaultDrainTimeout.
	DrainTimeout time.Duration
	// TLS, if set, is spoken on the listener; its NextProtos have "h2".
	TLS *tls.Config
	// MaxMessage bounds a received message, in bytes; 0 means DefaultMaxMessage.
	MaxMessage int
	// MaxStreams bounds the calls that a connection has open at a time; 0 means
	// DefaultMaxStreams.
	MaxStreams uint32
	// MaxConnections bounds the connections; more wait until one ends. 0 means
	// DefaultMaxConnections.
	MaxConnections int
	// FirstMessage is how long a call may take to send its first message, while
	// MaxWaiting others wait for theirs; then it is ended. 0 means
	// DefaultFirstMessage.
	FirstMessage time.Duration
	// MaxConnectionAge makes Envoy reconnect after about that time, so that it also uses
	// new replicas. Open calls of Envoy's protocols may end first. 0 means never.
	MaxConnectionAge time.Duration

	waiting waiting
	misuse  misuse
	joined  *joined
	serving atomic.Bool // from the first set to the drain
}

// Ready reports whether the server has policies, listens, and does not drain.
func (s *Server) Ready() bool { return s.serving.Load() }

// Misused returns in which ways Envoy has asked that make the answers useless.
func (s *Server) Misused() []MisuseStatus { return s.misuse.status() }

// Run serves until ctx ends, then drains, and returns once all streams have ended or were
// cut. The error says why it could not listen, or not go on. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	l = netutil.LimitListener(l, cmp.Or(s.MaxConnections, DefaultMaxConnections))
	hs := health.NewServer()
	s.setHealth(hs, healthv1.HealthCheckResponse_NOT_SERVING)
	srv := s.newGRPC(hs)
	orDiscard(s.Logger).Info("listening", "grpc", l.Addr().String())
	served := make(chan struct{}) // closed when nothing is served any more
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(served)
		if err := srv.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			return fmt.Errorf("serve gRPC on %s: %w", l.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		s.awaitReady(ctx, hs)
		<-ctx.Done()
		s.drain(srv, hs, served)
		return nil
	})
	return g.Wait()
}

func (s *Server) listen() (net.Listener, error) {
	if s.Listener != nil {
		return s.Listener, nil
	}
	return Listen(cmp.Or(s.Address, DefaultAddress), s.SocketMode)
}

func (s *Server) newGRPC(hs *health.Server) *grpc.Server {
	srv := grpc.NewServer(append(s.Interceptors.options(),
		append(s.limits(), grpc.ForceServerCodecV2(newCodec()), grpc.WaitForHandlers(true),
			grpc.UnknownServiceHandler(newAbsent(s.Absent, s.Logger).answer))...,
	)...)
	meter := orNoMeter(s.Meter)
	s.misuse.meter, s.misuse.log = meter, orDiscard(s.Logger)
	for _, service := range s.protocols(meter) {
		srv.RegisterService(service.Desc, service.Impl)
	}
	s.joined = newJoined(s.Logger, s.MaxConnectionAge)
	for _, service := range s.Services {
		s.joined.register(srv, service)
	}
	s.joined.register(srv, Service{Desc: &healthv1.Health_ServiceDesc, Impl: hs})
	return srv
}

// Service is a gRPC service: its description, and what implements it.
type Service struct {
	Desc *grpc.ServiceDesc
	Impl any
}

// protocols are Envoy's.
func (s *Server) protocols(meter Meter) []Service {
	process := &extProc{handler: s.Handler, meter: meter, misuse: &s.misuse, waiting: &s.waiting, log: s.Logger}
	check := &extAuthz{handler: s.Handler, meter: meter, waiting: &s.waiting, log: s.Logger}
	return []Service{{Desc: process.service()}, {Desc: check.service()}}
}

// setHealth sets the status of every name that a health check may ask for. If a health
// service does not know the name, Envoy drops the host at once.
func (s *Server) setHealth(hs *health.Server, status healthv1.HealthCheckResponse_ServingStatus) {
	hs.SetServingStatus("", status)
	for _, service := range append(s.protocols(nil), s.Services...) {
		hs.SetServingStatus(service.Desc.ServiceName, status)
	}
}

// awaitReady returns when there are policies, and the health service says so, or
// ctx has ended.
func (s *Server) awaitReady(ctx context.Context, hs *health.Server) {
	select {
	case <-ctx.Done():
	case <-s.Handler.Ready():
		s.serving.Store(true)
		s.setHealth(hs, healthv1.HealthCheckResponse_SERVING)
	}
}

// drain gives Envoy time to use other hosts before streams are refused, and gives open
// streams time to end before they are cut.
func (s *Server) drain(srv *grpc.Server, hs *health.Server, served <-chan struct{}) {
	s.serving.Store(false)
	hs.Shutdown()
	orDiscard(s.Logger).Info("draining", "delay", s.DrainDelay.String())
	select {
	case <-served:
	case <-time.After(s.DrainDelay):
	}
	close(s.joined.ended)
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		srv.GracefulStop()
	}()
	timeout := cmp.Or(s.DrainTimeout, DefaultDrainTimeout)
	select {
	case <-graceful:
	case <-time.After(timeout):
		orDiscard(s.Logger).Warn("cutting the streams that are still open", "after", timeout)
		srv.Stop()
		<-graceful
	}
}
