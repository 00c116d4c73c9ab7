package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// TestDoctorAsksAnEnvoy generates an Envoy without a service, runs it, and has the command
// read it and send requests to it.
func TestDoctorAsksAnEnvoy(t *testing.T) {
	folder, listen, policies := t.TempDir(), envoytest.FreeAddress(), filepath.Join(root, "envoy", "policies")
	var out, errs output
	if code := run(t.Context(), []string{"envoy-config", "--policies", policies, "--out", folder, "--listen", listen, "--port", listen[strings.LastIndexByte(listen, ':')+1:], "--upstream", envoytest.FreeAddress()}, nil, &out, &errs); code != exitOK {
		t.Fatal(code, errs.String())
	}
	bootstrap, err := os.ReadFile(filepath.Join(folder, "envoy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	e := envoytest.Start(t, bootstrap)
	args := []string{"doctor", "--envoy", e.Admin, "--policies", policies, "--probe", "http://" + e.Listeners["traffic"], "--probe-unsafe"}
	for _, format := range []string{"text", "json"} {
		var out, errs output
		code := run(t.Context(), append(args, "--format", format), nil, &out, &errs)
		if code != exitOK || format == "text" && (out.String() != "" || !strings.HasPrefix(errs.String(), "Envoy 1.")) {
			t.Errorf("exit code %d\n%s\n%s", code, &out, &errs)
		}
		var r doctor.Report
		if format == "json" && (json.Unmarshal([]byte(out.String()), &r) != nil || r.Envoy == "" || r.Probes < 10 || r.Findings == nil) {
			t.Errorf("it prints %s", &out)
		}
	}
}
