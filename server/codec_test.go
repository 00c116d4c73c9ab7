package server

import (
	"bytes"
	"context"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

func TestServicesAreEnvoys(t *testing.T) {
	proc, authz := (&extProc{}).service(), (&extAuthz{}).service()
	if want := extprocv3.ExternalProcessor_ServiceDesc; proc.ServiceName != want.ServiceName || proc.Metadata != want.Metadata ||
		proc.Streams[0].StreamName != want.Streams[0].StreamName ||
		proc.Streams[0].ServerStreams != want.Streams[0].ServerStreams || proc.Streams[0].ClientStreams != want.Streams[0].ClientStreams {
		t.Errorf("ext_proc is %+v, want %+v", proc, want)
	}
	if want := authv3.Authorization_ServiceDesc; authz.ServiceName != want.ServiceName || authz.Metadata != want.Metadata ||
		authz.Methods[0].MethodName != want.Methods[0].MethodName {
		t.Errorf("ext_authz is %+v, want %+v", authz, want)
	}
}

func TestCodecReceivesQuestions(t *testing.T) {
	pool := mem.DefaultBufferPool()
	whole := bytes.Repeat([]byte("0123456789"), 500)
	for _, c := range []struct {
		name    string
		message [][]byte
	}{
		{"an empty message", nil},
		{"a message in one buffer", [][]byte{whole}},
		{"a message in several buffers", [][]byte{whole[:1], whole[1:2000], whole[2000:]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var data mem.BufferSlice
			for _, part := range c.message {
				data = append(data, mem.Copy(part, pool))
			}
			var q question
			if err := newCodec().Unmarshal(data, &q); err != nil {
				t.Fatal(err)
			}
			data.Free() // grpc keeps nothing, the question does
			if got, want := q.bytes.ReadOnlyData(), bytes.Join(c.message, nil); !bytes.Equal(got, want) {
				t.Errorf("%d bytes, want %d", len(got), len(want))
			}
			q.bytes.Free()
		})
	}
}

func TestCodecSendsAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		length int
	}{
		{"a short answer", 2},
		{"an answer that outgrows its buffer", 3 * answerSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := bytes.Repeat([]byte{'a'}, c.length)
			a, err := write(func(dst []byte) ([]byte, error) { return append(dst, want...), nil })
			if err != nil {
				t.Fatal(err)
			}
			data, err := newCodec().Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			if got := data.Materialize(); !bytes.Equal(got, want) {
				t.Errorf("%d bytes, want %d", len(got), len(want))
			}
			data.Free()
		})
	}
}

func TestCodecLeavesOtherMessagesAlone(t *testing.T) {
	c := newCodec()
	if c.Name() != "proto" {
		t.Errorf("the codec's name is %q", c.Name())
	}
	want := &healthv1.HealthCheckRequest{Service: "x"}
	data, err := c.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &healthv1.HealthCheckRequest{}
	if err := c.Unmarshal(data, got); err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := c.Marshal("no message"); err == nil {
		t.Error("what is no message was encoded")
	}
}

func TestExtAuthzRunsItsInterceptor(t *testing.T) {
	handler := &wire.Handler{}
	servertest.Prepare(t, handler, policytest.Compile(t))()
	a := &extAuthz{handler: handler, meter: orNoMeter(nil), waiting: &waiting{}}
	decode := func(v any) error { return newCodec().Unmarshal(nil, v) }
	called := ""
	interceptor := func(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		called = info.FullMethod
		return next(ctx, in)
	}
	out, err := a.serve(nil, t.Context(), decode, interceptor)
	if err != nil {
		t.Fatal(err)
	}
	if called != authv3.Authorization_Check_FullMethodName {
		t.Errorf("the interceptor was called for %q", called)
	}
	if a, ok := out.(*answer); !ok || a.bytes.Len() == 0 {
		t.Errorf("the answer is %v", out)
	}
}
