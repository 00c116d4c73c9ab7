package main

import (
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server/servertest"
)

// TestTheFeedIsTakenFromAllowedClients has decisions told over mTLS. What is not one is
// refused alone.
func TestTheFeedIsTakenFromAllowedClients(t *testing.T) {
	svc, as := mutual(t, func(c *serveConfig) { c.feed = joinedFlags{on: true, allowed: []string{"envoy.example"}} })
	record := &logs.LogRecord{Body: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "-"}}}
	batch := &collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{record}}}}}}
	for name, want := range map[string]codes.Code{"envoy.example": codes.OK, "dev.example": codes.PermissionDenied} {
		conn, err := grpc.NewClient(svc.grpcAddress(), grpc.WithTransportCredentials(as(name)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		response, err := collector.NewLogsServiceClient(conn).Export(servertest.Context(t), batch)
		if grpcstatus.Code(err) != want || want == codes.OK && response.GetPartialSuccess().GetRejectedLogRecords() != 1 {
			t.Errorf("%s: %v, %v", name, response, err)
		}
	}
}
