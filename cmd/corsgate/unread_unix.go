//go:build unix

package main

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// awaitUnread waits until nobody can read what is written to f, because its
// pipe or its terminal is closed, or until ctx ends.
func awaitUnread(ctx context.Context, f *os.File) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		watched := []unix.PollFd{{Fd: int32(f.Fd())}}
		// If Poll fails, or the system does not support it for f, nothing is known.
		if _, err := unix.Poll(watched, 0); err == nil && watched[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
