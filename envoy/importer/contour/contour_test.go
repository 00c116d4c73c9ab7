package contour_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/contour"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(contour.Read))
}
