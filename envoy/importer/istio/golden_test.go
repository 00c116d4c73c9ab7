package istio_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/istio"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(istio.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(istio.Read))
}
