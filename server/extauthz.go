package server

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/wire"
)

// extAuthz is Envoy's external authorization service.
type extAuthz struct {
	handler *wire.Handler
	meter   Meter
	waiting *waiting
	log     *slog.Logger
}

// service describes extAuthz to gRPC. Its messages are question and answer.
func (a *extAuthz) service() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: contract.ExtAuthz,
		Methods:     []grpc.MethodDesc{{MethodName: "Check", Handler: a.serve}},
		Metadata:    "envoy/service/auth/v3/external_auth.proto",
	}
}

// serve is what gRPC calls: it decodes, and calls check within the server's
// interceptor if there is one.
//
//nolint:revive // the order of the arguments is grpc's
func (a *extAuthz) serve(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	q := &question{}
	if err := a.waiting.receive(ctx, func() error { return decode(q) }); err != nil {
		return nil, err
	}
	defer q.bytes.Free()
	call := func(ctx context.Context, q any) (any, error) { return a.check(ctx, q.(*question)) }
	if interceptor == nil {
		return call(ctx, q)
	}
	return interceptor(ctx, q, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + contract.ExtAuthz + "/Check"}, call)
}

// check answers a request. An internal problem is an error without a verdict,
// so that Envoy's failure mode decides.
func (a *extAuthz) check(ctx context.Context, q *question) (out *answer, err error) {
	start := time.Now()
	x := a.handler.Begin(rpcPolicy(ctx))
	defer x.End()
	defer func() {
		if v := recover(); v != nil {
			logPanic(a.log, "ext_authz", v)
			out, err = nil, status.Error(codes.Internal, "the decision failed, the service's log says why")
		}
	}()
	out, err = write(func(dst []byte) ([]byte, error) { return x.Check(ctx, dst, q.bytes.ReadOnlyData()) })
	if err == nil {
		a.meter.Answered(wire.KindCheck, time.Since(start))
	}
	return out, statusOf(err)
}
