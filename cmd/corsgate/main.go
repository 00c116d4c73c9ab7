// Command corsgate is the CORS policy service for Envoy: it serves policies to
// Envoy, checks them, generates Envoy's configuration, and demonstrates itself.
package main

import (
	"context"
	"os"
)

func main() {
	logGRPC()
	ctx, stop := untilSignal(context.Background())
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
