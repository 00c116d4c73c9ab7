//go:build !unix

package main

import (
	"context"
	"os"
)

// awaitUnread cannot tell here, and waits until ctx ends.
func awaitUnread(ctx context.Context, _ *os.File) { <-ctx.Done() }
