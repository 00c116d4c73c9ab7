package istio_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/istio"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(istio.Read))
}
