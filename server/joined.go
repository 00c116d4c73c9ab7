package server

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// joined serves services besides Envoy's protocols. Their streams, such as subscriptions,
// need not end by themselves: a drain ends them, and so does their age. A panic ends only
// its call.
type joined struct {
	log     *slog.Logger
	age     time.Duration   // that ends a stream; 0 means that none does
	streams map[string]bool // :: full method of a stream
	ended   chan struct{}   // closed when the streams are to end
}

// newJoined joins services whose connections are closed at that age; 0 means never.
func newJoined(log *slog.Logger, connectionAge time.Duration) *joined {
	// grpc-go closes a connection after a tenth more at the latest, so a client that comes
	// back uses another one.
	age := connectionAge + connectionAge/5
	return &joined{log: log, age: age, streams: map[string]bool{}, ended: make(chan struct{})}
}

// register has srv serve a service.
func (j *joined) register(srv *grpc.Server, service Service) {
	desc := *service.Desc
	desc.Methods, desc.Streams = slices.Clone(desc.Methods), slices.Clone(desc.Streams)
	for i, m := range desc.Methods {
		desc.Methods[i].Handler = j.recoverCall(desc.ServiceName, m.Handler)
	}
	for i, stream := range desc.Streams {
		desc.Streams[i].Handler = j.recoverStream(desc.ServiceName, stream.Handler)
		j.streams["/"+desc.ServiceName+"/"+stream.StreamName] = true
	}
	srv.RegisterService(&desc, service.Impl)
}

// recoverCall returns a handler of calls that answers with an error if the given
// one panics.
func (j *joined) recoverCall(service string, handle grpc.MethodHandler) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (out any, err error) {
		defer j.recovered(service, &err)
		return handle(srv, ctx, decode, interceptor)
	}
}

// recoverStream is recoverCall for streams.
func (j *joined) recoverStream(service string, handle grpc.StreamHandler) grpc.StreamHandler {
	return func(srv any, stream grpc.ServerStream) (err error) {
		defer j.recovered(service, &err)
		return handle(srv, stream)
	}
}

// recovered is deferred: after a panic it says so in the log, and sets err.
func (j *joined) recovered(service string, err *error) {
	if v := recover(); v != nil {
		logPanic(j.log, service, v)
		*err = status.Error(codes.Internal, "the call failed, the service's log says why")
	}
}

// untilEnded returns the context of a stream. When it ends, the stream no longer waits for
// anything, not even to receive.
func (j *joined) untilEnded(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	var old <-chan time.Time // never
	if j.age > 0 {
		old = time.After(j.age)
	}
	go func() {
		defer cancel()
		select {
		case <-j.ended:
		case <-old:
		case <-ctx.Done(): // with the stream
		}
	}()
	return ctx
}
