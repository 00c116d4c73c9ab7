package contour_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/contour"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(contour.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(contour.Read))
}
