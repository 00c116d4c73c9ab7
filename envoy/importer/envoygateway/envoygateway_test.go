package envoygateway_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/envoygateway"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(envoygateway.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(envoygateway.Read))
}
