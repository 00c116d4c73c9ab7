package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin"
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

// questionShare of the container's CPUs answers questions. At full load one
// answers more than eight Envoy workers can ask, and an idle one is woken for
// each step of a call, which costs a quarter and more of the call.
const questionShare = 4

// longWork is what takes long and may have all CPUs, so that it does not hold up
// the questions. It is safe for concurrent use.
type longWork struct {
	mu    sync.Mutex
	begun int
}

// begin has all CPUs used that the container may use now, until end.
func (w *longWork) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun++; w.begun == 1 {
		runtime.SetDefaultGOMAXPROCS()
	}
}

// end ends what begin has begun.
func (w *longWork) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun--; w.begun == 0 {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/questionShare))
	}
}

// tuneProcs has questions answered on few CPUs from the end of r's first load
// on, and loads and explanations made on all of them. What the user says with
// GOMAXPROCS stays.
func tuneProcs(r *server.Reloader, a *admin.Server) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	work, loaded := &longWork{}, r.Loaded
	r.Loading = work.begin
	r.Loaded = func(l server.Load) {
		work.end()
		if loaded != nil {
			loaded(l)
		}
	}
	a.Explaining = func() (explained func()) {
		work.begin()
		return work.end
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
