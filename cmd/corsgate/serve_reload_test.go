package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// TestServeReloadsWhileItAnswers runs what serve builds, without a first load:
// policies are loaded again and again from before it has begun, while Envoy
// asks. It is worth most under the race detector.
func TestServeReloadsWhileItAnswers(t *testing.T) {
	c := serveConfig{policies: filepath.Join(t.TempDir(), "cors.yaml"), grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
	allowOnly(t, c.policies, "https://first.example")
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error { return svc.Run(ctx) })
	g.Go(func() error { return askAgain(ctx, svc.grpcAddress()) })
	for i := range 20 {
		origin := fmt.Sprintf("https://app%d.example", i)
		allowOnly(t, c.policies, origin)
		if _, err := svc.Reloader.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := allowedFor(t.Context(), svc.grpcAddress(), origin); got != origin {
			t.Errorf("after the reload %q is allowed, want %q: %v", got, origin, err)
		}
	}
	cancel()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// allowOnly replaces the policy file.
func allowOnly(t *testing.T, path, origin string) {
	t.Helper()
	replace(t, path, "policies:\n- name: api\n  cors: {allowOrigins: ["+origin+"]}\n")
}

// replace replaces a file as a whole.
func replace(t *testing.T, path, text string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(path), ".next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// askAgain asks until ctx ends; questions before the first set are refused.
func askAgain(ctx context.Context, address string) error {
	for ctx.Err() == nil {
		if got, _ := allowedFor(ctx, address, "https://nobody.example"); got != "" {
			return fmt.Errorf("%q is allowed to an origin that no policy has", got)
		}
	}
	return nil
}

// allowedFor returns the origin that a request with origin is answered with.
func allowedFor(ctx context.Context, address, origin string) (string, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	request := &authv3.AttributeContext_HttpRequest{Method: "GET", Host: "api.example", Path: "/", Headers: map[string]string{"origin": origin}}
	answer, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{
		Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: request}},
	}, grpc.WaitForReady(true))
	for _, h := range answer.GetOkResponse().GetResponseHeadersToAdd() {
		if h.GetHeader().GetKey() == "access-control-allow-origin" {
			return h.GetHeader().GetValue() + string(h.GetHeader().GetRawValue()), err
		}
	}
	return "", err
}
