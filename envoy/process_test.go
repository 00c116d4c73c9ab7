package envoy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/servertest"
)

func TestEnvoyAcceptsTheBootstraps(t *testing.T) {
	binary := envoytest.Binary(t)
	for _, v := range sample() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			if v.config.Profile == envoy.NoTrip && !v.config.Compiled.ECDS { // whose files must exist
				v.config.Compiled.Folder = t.TempDir()
				writeFilters(t, v.config, policytest.Compile(t))
			}
			accepts(t, binary, must(t)(v.config.YAML()))
		})
	}
}

// accepts has Envoy read a bootstrap without running it.
func accepts(t *testing.T, binary string, doc []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "--mode", "validate", "-l", "warning", "-c", path).CombinedOutput()
	if err != nil {
		t.Errorf("envoy refuses it: %v\n%s", err, out)
	}
	if text := string(out); strings.Contains(text, "Deprecated field") {
		t.Errorf("envoy calls it deprecated:\n%s", out)
	}
}

// static answers every request itself, on a listener whose port the system chooses.
const static = `{static_resources: {listeners: [{name: traffic, address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{filters: [{
  name: envoy.filters.network.http_connection_manager, typed_config: {
    "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: t,
    access_log: [{name: stdout, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}],
    route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: here}}}]}]},
    http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}]}]}]}}`

func TestProcessServesOnThePortItTells(t *testing.T) {
	e := envoytest.Start(t, []byte(static))
	if body := get(t, "http://"+e.Listeners["traffic"]+"/some/path"); body != "here" {
		t.Errorf("got %q", body)
	}
	if version := get(t, "http://"+e.Admin+"/hot_restart_version"); version != "disabled" {
		t.Errorf("it has shared memory for hot restarts: %s", version)
	}
	servertest.Await(t, "the access log", func() bool { return strings.Contains(e.Output.String(), "/some/path") })
}

// get returns the body of an answer.
func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestProcessLeavesNothingBehind(t *testing.T) {
	binary := envoytest.Binary(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var admin string
	p := envoy.Process{Binary: binary, Bootstrap: []byte(static), Ready: func(a envoy.Addresses) {
		admin = a.Admin
		cancel()
	}}
	if err := p.Run(ctx); err != nil {
		t.Fatalf("a stopped envoy is an error: %v", err)
	}
	if _, err := http.Get("http://" + admin + "/ready"); err == nil {
		t.Error("envoy still answers")
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v %v", left, err)
	}
}

func TestProcessThatCannotRun(t *testing.T) {
	binary := envoytest.Binary(t)
	for _, tc := range []struct {
		name string
		p    envoy.Process
		want string
	}{
		{"a bootstrap that envoy refuses", envoy.Process{Binary: binary, Bootstrap: []byte("static_resources: {listners: []}")}, "listners"},
		{"no such binary", envoy.Process{Binary: filepath.Join(t.TempDir(), "envoy")}, "no such file"},
		{"a program that ends", envoy.Process{Binary: program(t, "exit 0")}, "it ended by itself"},
		{"a program that fails", envoy.Process{Binary: program(t, "echo no such option >&2; exit 3")}, "exit status 3: no such option"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.p.Ready = func(envoy.Addresses) { t.Error("it is ready") }
			err := tc.p.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestProcessThatIgnoresSIGTERMIsKilled(t *testing.T) {
	t.Parallel()
	started := filepath.Join(t.TempDir(), "started")
	p := envoy.Process{Binary: program(t, fmt.Sprintf("trap '' TERM; touch %s; while :; do sleep 0.1; done", started))}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for _, err := os.Stat(started); errors.Is(err, os.ErrNotExist); _, err = os.Stat(started) {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	start := time.Now()
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < 5*time.Second {
		t.Errorf("ended after %v, before the 5 s for SIGTERM", took)
	}
}

// program writes a shell script that stands for an Envoy.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
