package kong_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/kong"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(kong.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(kong.Read))
}
