package observability_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestTheChartHasTheSameFiles holds the chart's copies to the files here: a chart ends at its
// folder.
func TestTheChartHasTheSameFiles(t *testing.T) {
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		path := filepath.Join("..", "kubernetes", "chart", "files", name)
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		read(t, name, func(here []byte) error {
			there, err := os.ReadFile(path)
			if !info.Mode().IsRegular() || !bytes.Equal(here, there) {
				t.Errorf("%s is another file: cp envoy/observability/%s envoy/kubernetes/chart/files/", path, name)
			}
			return err
		})
	}
}
