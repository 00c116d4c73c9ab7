package traefik_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/traefik"
)

func TestGolden(t *testing.T) { importertest.Golden(t, importertest.Documents(traefik.Read)) }
