package server_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
)

// TestAServiceJoinsTheListener serves one more on the gRPC port: it answers, and
// has a health.
func TestAServiceJoinsTheListener(t *testing.T) {
	const name = "corsgate.test.Echo"
	echo := &grpc.ServiceDesc{ServiceName: name, Methods: []grpc.MethodDesc{{
		MethodName: "Say",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := &healthv1.HealthCheckRequest{}
			return in, decode(in)
		},
	}}}
	r := run(t, &server.Server{Handler: testHandler(t, nil), Services: []server.Service{{Desc: echo}}}, "127.0.0.1:0")
	servertest.Await(t, "health", func() bool { return r.health(t, name) == healthv1.HealthCheckResponse_SERVING })
	out := &healthv1.HealthCheckRequest{}
	if err := r.conn.Invoke(servertest.Context(t), "/"+name+"/Say", &healthv1.HealthCheckRequest{Service: "hello"}, out); err != nil || out.GetService() != "hello" {
		t.Errorf("%v %v", out, err)
	}
}

// endless is a service of streams that have no end of their own.
var endless = &grpc.ServiceDesc{ServiceName: "corsgate.test.Endless", Streams: []grpc.StreamDesc{
	{StreamName: "Wait", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}},
	{StreamName: "Receive", ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
		for {
			if err := stream.RecvMsg(&healthv1.HealthCheckRequest{}); err != nil {
				return err
			}
		}
	}},
}}

// TestEndlessStreamsDoNotDelayTheStop has a stream open for each way to wait, and
// for a watch of the health.
func TestEndlessStreamsDoNotDelayTheStop(t *testing.T) {
	for _, method := range []string{"/corsgate.test.Endless/Wait", "/corsgate.test.Endless/Receive", "/grpc.health.v1.Health/Watch"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server.Server{Handler: testHandler(t, nil), Services: []server.Service{{Desc: endless}}, DrainDelay: 2 * time.Second}
				r := runInMemory(t, s)
				stream, err := r.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.SendMsg(&healthv1.HealthCheckRequest{}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				start := time.Now()
				r.stop()
				r.end(t)
				if took := time.Since(start); took != s.DrainDelay { // the bubble's clock stands still otherwise
					t.Errorf("the stop took %v, want %v", took, s.DrainDelay)
				}
				if err := awaitEnd(stream); status.Code(err) != codes.Canceled {
					t.Errorf("the stream ended with %v", err)
				}
			})
		})
	}
}

// TestStreamsEndWithTheirAge has a stream that nobody ends on a connection that is to be
// given up.
func TestStreamsEndWithTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runInMemory(t, &server.Server{Handler: testHandler(t, nil), Services: []server.Service{{Desc: endless}}, MaxConnectionAge: time.Hour})
		stream, err := r.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/corsgate.test.Endless/Receive")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = awaitEnd(stream)
		if age := time.Since(start); age != 72*time.Minute || status.Code(err) != codes.Canceled {
			t.Errorf("after %v it ended with %v", age, err)
		}
		r.stop()
		r.end(t)
	})
}

// TestAPanicEndsItsCallAlone has both kinds of handlers panic, and asks on.
func TestAPanicEndsItsCallAlone(t *testing.T) {
	hopeless := &grpc.ServiceDesc{
		ServiceName: "corsgate.test.Hopeless",
		Methods: []grpc.MethodDesc{{
			MethodName: "Call",
			Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
				panic("out of cheese")
			},
		}},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: func(any, grpc.ServerStream) error { panic("out of cheese") }}},
	}
	log := &logged{}
	conn := serve(t, &server.Server{Handler: testHandler(t, nil), Services: []server.Service{{Desc: hopeless}}, Logger: log.logger()})
	ctx := servertest.Context(t)
	if err := conn.Invoke(ctx, "/corsgate.test.Hopeless/Call", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); status.Code(err) != codes.Internal {
		t.Errorf("the call ended with %v", err)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/corsgate.test.Hopeless/Stream")
	if err != nil {
		t.Fatal(err)
	}
	if err := awaitEnd(stream); status.Code(err) != codes.Internal {
		t.Errorf("the stream ended with %v", err)
	}
	for _, want := range []string{"out of cheese", "in=corsgate.test.Hopeless", "joined_test.go"} {
		if text := log.String(); strings.Count(text, want) < 2 {
			t.Errorf("the log has %q not once for each:\n%s", want, text)
		}
	}
}

// awaitEnd receives until the stream ends.
func awaitEnd(stream grpc.ClientStream) error {
	for {
		if err := stream.RecvMsg(&healthv1.HealthCheckResponse{}); err != nil {
			return err
		}
	}
}
