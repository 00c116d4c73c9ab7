package server_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

// TestWhatIsNotServedIsToldOnce has an Envoy ask again and again for a service that is
// not there.
func TestWhatIsNotServedIsToldOnce(t *testing.T) {
	const service = "envoy.service.extension.v3.ExtensionConfigDiscoveryService"
	l, err := server.Listen("127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	s := &server.Server{
		Listener: l, Handler: &wire.Handler{}, Logger: slog.New(slog.NewTextHandler(&text, nil)),
		Absent: map[string]string{service: "switch it on"},
	}
	stop := servertest.Run(t, s.Run)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		stream, err := extension.NewExtensionConfigDiscoveryServiceClient(conn).DeltaExtensionConfigs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.Unimplemented || status.Convert(err).Message() != "unknown service "+service {
			t.Errorf("got %v", err)
		}
	}
	if err := conn.Invoke(t.Context(), "/other.Service/Call", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v", err)
	}
	stop()
	if n := strings.Count(text.String(), "level=WARN"); n != 1 || !strings.Contains(text.String(), `hint="switch it on"`) {
		t.Errorf("%d warnings:\n%s", n, text.String())
	}
}
