package nginx_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/nginx"
)

func TestGolden(t *testing.T) { importertest.Golden(t, nginx.Read) }
