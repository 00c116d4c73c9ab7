package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/server"
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

// questionShare of the container's CPUs answers questions: one CPU answers more
// than eight Envoy workers can ask, and a CPU that is idle costs a wake-up at
// each step of a call, which is more than a quarter of what the call costs.
const questionShare = 4

// tuneProcs has questions answered on few CPUs, and loads made on all of them,
// so that a load of many origins does not hold up the questions. What the user
// says with GOMAXPROCS stays. It is to be called before r loads.
func tuneProcs(r *server.Reloader) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	loaded := r.Loaded
	r.Loading = runtime.SetDefaultGOMAXPROCS // what the container may use now
	r.Loaded = func(l server.Load) {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/questionShare))
		loaded(l)
	}
}

// tuneMemory sets the garbage collector up for the container. What the user
// says with GOGC and GOMEMLIMIT stays.
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
