package gatewayapi_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/gatewayapi"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

func TestGolden(t *testing.T) {
	importertest.Golden(t, importertest.Documents(gatewayapi.Read))
}

func FuzzRead(f *testing.F) {
	importertest.FuzzInputs(f, importertest.Documents(gatewayapi.Read))
}
