// Package hostile tests what a hostile client of the gRPC port, in Envoy's
// place, can do to a corsgate process, and feeds the fuzz targets of the whole
// repository. It has tests only.
package hostile
