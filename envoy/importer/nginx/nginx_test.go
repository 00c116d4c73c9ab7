package nginx_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

func TestGolden(t *testing.T) { importertest.Golden(t, nginx.Read) }

func TestTemplates(t *testing.T) {
	for _, value := range []string{"{{ origin }}", "{% if a %}", "https://{{ .Domain }}"} {
		_, err := nginx.Read([]source.File{{Path: "in", Text: []byte("location / {\n  add_header Access-Control-Allow-Origin " + value + ";\n}\n")}})
		if err == nil || !strings.Contains(err.Error(), "in:2:") || !strings.Contains(err.Error(), "is a template") {
			t.Errorf("%s: %v", value, err)
		}
	}
}
