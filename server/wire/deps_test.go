package wire_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestKnowsNoTransport holds the package to the bytes: it uses neither a
// transport nor the generated code.
func TestKnowsNoTransport(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		if strings.HasPrefix(pkg, "google.golang.org/grpc") || strings.HasPrefix(pkg, "github.com/envoyproxy/") || pkg == "net/http" {
			t.Errorf("depends on %s", pkg)
		}
	}
}
