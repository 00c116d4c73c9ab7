package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/source/file"
)

func TestFlagsReachWhatTheyConfigure(t *testing.T) {
	cmd := newServe()
	var c serveConfig
	cmd.ResetFlags()
	c.define(cmd)
	err := cmd.ParseFlags([]string{
		"--policies", "p", "--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--poll-interval", "1s", "--drain-delay", "2s", "--drain-timeout", "3s", "--max-connection-age", "4s",
	})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	source := svc.Reloader.Source.(*file.Source)
	if source.Path != "p" || source.Poll != time.Second {
		t.Errorf("source %q every %v", source.Path, source.Poll)
	}
	got := []time.Duration{svc.grpc.DrainDelay, svc.grpc.DrainTimeout, svc.grpc.MaxConnectionAge}
	if got[0] != 2*time.Second || got[1] != 3*time.Second || got[2] != 4*time.Second {
		t.Errorf("durations %v", got)
	}
}

func TestServeEndsWellIfItIsToldToWhileItLoads(t *testing.T) {
	policies := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(policies, []byte("policies: [{name: a, cors: {allowOrigins: [https://app.example.com]}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := newServe()
	var c serveConfig
	cmd.ResetFlags()
	c.define(cmd)
	if err := cmd.ParseFlags([]string{"--policies", policies, "--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-delay", "0s"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if err := c.serve(ctx, slog.New(slog.DiscardHandler), nil, &stderr); err != nil || stderr.Len() > 0 {
		t.Errorf("serve: %v\n%s", err, &stderr)
	}
}

func TestLogsThatNobodyReadsAtATerminalAreJSON(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, isTerminal(&out), oneOf("warn").level())
	log.Info("not this")
	log.Warn("this", "key", "value")
	if got := out.String(); !strings.HasPrefix(got, "{") || !strings.Contains(got, `"key":"value"`) || strings.Contains(got, "not this") {
		t.Error(got)
	}
}
