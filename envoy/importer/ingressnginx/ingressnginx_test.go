package ingressnginx_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/ingressnginx"
)

func TestGolden(t *testing.T) { importertest.Golden(t, importertest.Documents(ingressnginx.Read)) }
