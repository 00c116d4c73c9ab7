package server

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/tap"

	"github.com/corsgate/corsgate/server/contract"
)

// The limits of the gRPC listener, unless Server's fields say otherwise. What is above
// them is refused; Envoy's own calls are far below. A connection needs at most the number
// of streams times the message size.
const (
	// DefaultMaxMessage is in bytes. Envoy's own limit for the headers of a
	// request, which a message carries, is 60 KiB.
	DefaultMaxMessage = 256 << 10
	// DefaultMaxStreams is per connection. At the limit Envoy opens another one.
	DefaultMaxStreams = 1024
	// DefaultMaxConnections is one for each worker thread of each Envoy.
	DefaultMaxConnections = 4096
	// MaxHeaderBytes bounds the gRPC metadata of a call.
	MaxHeaderBytes = 16 << 10
	// MaxWaiting is how many calls may wait for their first message without an end.
	// DefaultFirstMessage is how long more calls may wait. Envoy sends the question with
	// the call.
	MaxWaiting          = 1000
	DefaultFirstMessage = 10 * time.Second
)

const (
	// handshakeTimeout bounds what comes before the first call.
	handshakeTimeout = 10 * time.Second
	// minPingInterval is below the shortest connection_keepalive interval that
	// makes sense for Envoy. grpc-go's own five minutes would answer its pings
	// with GOAWAY, and end the requests that wait for a slow upstream.
	minPingInterval = 500 * time.Millisecond
	// idleTimeout closes connections without calls, and pingInterval finds those
	// whose other end is gone. Envoy's health checks are calls.
	idleTimeout, pingInterval = 5 * time.Minute, time.Minute
	// streamWorkers serve streams one after another, so that not each needs a
	// goroutine whose stack has to grow first. While all of them wait, for slow
	// upstreams in two-phase, further streams get goroutines of their own.
	streamWorkers = 32
	// window is the flow control window of a stream. Since it is fixed, grpc-go does not
	// raise it to 16 MiB for a client that sends much.
	window = 64 << 10
)

// limits returns the options that bound what a client may cost.
func (s *Server) limits() []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(cmp.Or(s.MaxMessage, DefaultMaxMessage)),
		grpc.MaxConcurrentStreams(cmp.Or(s.MaxStreams, DefaultMaxStreams)),
		grpc.MaxHeaderListSize(MaxHeaderBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		grpc.InTapHandle(s.tap),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: s.MaxConnectionAge, MaxConnectionIdle: idleTimeout, Time: pingInterval,
		}),
	}
	if s.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.TLS)))
	}
	return options
}

// firstKey is where a call's context has what its first message stops.
type firstKey struct{}

// tap gives each call its context, before anything else is done for it.
func (s *Server) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	switch method := info.FullMethodName; {
	case method == processMethod || method == checkMethod:
		return s.hurry(ctx), nil
	case s.joined.streams[method]:
		return s.joined.untilEnded(ctx), nil
	}
	return ctx, nil
}

// hurry gives a call a context that ends if its first message does not come. It does so
// only once MaxWaiting calls wait for theirs. So no client can use memory without bound
// by calls without messages, and ordinary calls do not pay for the protection.
func (s *Server) hurry(ctx context.Context) context.Context {
	if s.waiting.Add(1) <= MaxWaiting {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(cmp.Or(s.FirstMessage, DefaultFirstMessage), cancel)
	return context.WithValue(ctx, firstKey{}, timer)
}

// The methods whose calls are counted.
const (
	processMethod = "/" + contract.ExtProc + "/Process"
	checkMethod   = "/" + contract.ExtAuthz + "/Check"
)

// waiting counts the calls whose first message has not come. hurry adds them. A call that
// grpc-go then refuses, for an unknown encoding, is never subtracted, so that calls may be
// hurried although fewer wait.
type waiting struct{ atomic.Int64 }

// receive calls recv, which receives the first message of a call. Later messages may take
// as long as the upstream does.
func (w *waiting) receive(ctx context.Context, recv func() error) error {
	defer w.Add(-1)
	err := recv()
	if timer, ok := ctx.Value(firstKey{}).(*time.Timer); ok {
		timer.Stop()
	}
	return err
}
