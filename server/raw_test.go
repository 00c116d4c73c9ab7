package server_test

import (
	"strings"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/contract"
	"github.com/corsgate/corsgate/server/servertest"
)

// rawCodec sends and receives []byte as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawCodec) Name() string { return "proto" }

func TestMalformedMessages(t *testing.T) {
	conn := serve(t, &server.Server{Handler: testHandler(t, nil)})
	garbage := []byte{0x12, 0x05, 'x'}
	t.Run("ext_proc ends the stream with an error", func(t *testing.T) {
		stream, err := conn.NewStream(servertest.Context(t), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
			"/"+contract.ExtProc+"/Process", grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(garbage); err != nil {
			t.Fatal(err)
		}
		var answer []byte
		if err := stream.RecvMsg(&answer); status.Code(err) != codes.Internal {
			t.Errorf("got %x, %v, want Internal", answer, err)
		}
	})
	t.Run("ext_authz has no verdict", func(t *testing.T) {
		var answer []byte
		err := conn.Invoke(servertest.Context(t), "/"+contract.ExtAuthz+"/Check", garbage, &answer, grpc.ForceCodecV2(rawCodec{}))
		if status.Code(err) != codes.Internal {
			t.Errorf("got %x, %v, want Internal", answer, err)
		}
	})
}

// TestLargeMessages sends what comes in several frames, and gets what goes in
// more than one buffer.
func TestLargeMessages(t *testing.T) {
	client := extprocv3.NewExternalProcessorClient(serve(t, &server.Server{Handler: testHandler(t, nil)}))
	large := strings.Repeat("Accept-Encoding, ", 10_000)
	hold(t, client, conversation{
		send: []*extprocv3.ProcessingRequest{get("list.test", app, "cookie: "+large), responseHeaders(":status: 200", "vary: "+large)},
		want: []string{
			lines("request continue", metaAllowed),
			lines("response continue", "remove 7", setOrigin, setCreds, setExpose, "set vary: "+large+"Origin"),
		},
		ends: true,
	})
}
