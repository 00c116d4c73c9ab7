package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/envoy"
)

// grpcCalls are calls of a gRPC service behind Envoy: what comes of them, and
// the CORS lines of their headers.
var grpcCalls = []struct {
	name, host, origin string
	want               codes.Code
	lines              []string
	// overWeb is the HTTP status of the same call as gRPC-Web.
	overWeb int
}{
	{"of an allowed origin", "app.test", "https://app.example", codes.OK, grants, 200},
	{"of an unknown origin", "app.test", "https://evil.example", codes.OK, []string{vary}, 200},
	{"of a policy for gRPC-Web", "web.test", "https://app.example", codes.OK, webGrants, 200},
	{"of an unknown origin that is blocked", "strict.test", "https://evil.example", codes.PermissionDenied, []string{vary}, 403},
	{"of no origin", "plain.test", "", codes.OK, nil, 200},
}

// TestGRPC calls a gRPC service through Envoy, from a gRPC client and as a page
// does by gRPC-Web.
func TestGRPC(t *testing.T) {
	address, service := startGRPC(t), startService(t, "127.0.0.1:0", policies)
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) {
		c.ManagedHosts = managed
		s := launch(t, name, c, &upstream{address: address}, service, speakGRPC)
		for _, call := range grpcCalls {
			code, lines := callGRPC(t, s.address(), call.host, call.origin)
			for _, line := range differences(of(call.want.String(), call.lines), of(code.String(), lines)) {
				t.Errorf("gRPC %s: %s", call.name, line)
			}
			status, lines := callGRPCWeb(t, s.address(), call.host, call.origin)
			for _, line := range differences(of(fmt.Sprint(call.overWeb), call.lines), of(fmt.Sprint(status), lines)) {
				t.Errorf("gRPC-Web %s: %s", call.name, line)
			}
		}
	})
}

// speakGRPC has Envoy speak HTTP/2 to the upstream, and translate gRPC-Web.
func speakGRPC(b object) {
	filters := manager(b)["http_filters"].([]any)
	manager(b)["http_filters"] = slices.Insert(filters, len(filters)-1, any(object{
		"name": "grpc_web", "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"}}))
	const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	for _, cluster := range b["static_resources"].(object)["clusters"].([]any) {
		if cluster := cluster.(object); cluster["name"] == "upstream" {
			cluster["typed_extension_protocol_options"] = object{options: object{
				"@type": "type.googleapis.com/" + options, "explicit_http_config": object{"http2_protocol_options": object{}}}}
		}
	}
}

// startGRPC serves the health service.
func startGRPC(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	healthv1.RegisterHealthServer(srv, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Errorf("upstream: %v", err)
		}
	})
	return l.Addr().String()
}

// callGRPC asks the health service, and returns the CORS lines of what came
// first, which for a bare status are the trailers.
func callGRPC(t *testing.T, address, host, origin string) (codes.Code, []string) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithAuthority(host), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := t.Context()
	if origin != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "origin", origin)
	}
	var header, trailer metadata.MD
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	return status.Code(err), corsLines(http.Header(metadata.Join(header, trailer)))
}

// callGRPCWeb asks the same as a page does (gRPC-Web protocol): the question is
// an empty message, and the answer a message and the trailers, each behind a
// flag and its length.
func callGRPCWeb(t *testing.T, address, host, origin string) (httpStatus int, lines []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+healthv1.Health_Check_FullMethodName, bytes.NewReader(make([]byte, 5)))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header.Set("Content-Type", "application/grpc-web+proto")
	r.Header.Set("X-Grpc-Web", "1")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	resp, err := clients["http/1"].RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("read the body: %v", err)
	}
	if resp.StatusCode == http.StatusOK && !bytes.Contains(body, []byte("grpc-status:0\r\n")) {
		t.Errorf("%s: gRPC-Web answered with %q", host, body)
	}
	return resp.StatusCode, corsLines(resp.Header)
}
