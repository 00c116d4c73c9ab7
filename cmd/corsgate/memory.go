package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// gcPercent trades memory for CPU: the heap is small, and a decision leaves
	// nothing behind, so that collecting half as often costs a few MiB.
	gcPercent = 200
	// memoryShare of the container's limit is where the collector works harder,
	// so that a reload of many origins does not end in the kernel's kill.
	memoryShare = 0.9
	// cgroupLimit holds the limit of the container (cgroup v2) in bytes, or "max".
	cgroupLimit = "/sys/fs/cgroup/memory.max"
)

// tuneMemory sets the garbage collector up for the container. What the user
// says with GOGC and GOMEMLIMIT stays; GOMAXPROCS follows the container's CPU
// limit by itself.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit, ok := containerLimit(cgroupLimit); ok && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(limit) * memoryShare))
	}
}

// containerLimit reads a memory limit in bytes; false when there is none.
func containerLimit(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return limit, err == nil && limit > 0 && limit < math.MaxInt64/2
}
