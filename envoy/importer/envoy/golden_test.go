package envoyimport_test

import (
	"testing"

	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(envoyimport.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(envoyimport.Read))
}
