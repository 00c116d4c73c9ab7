package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/service"
)

const (
	// gcPercent trades memory for CPU. The heap is small, and a decision allocates nothing,
	// so to collect half as often costs only a few MiB.
	gcPercent = 200
	// memoryShare is the part of the container's limit at which the collector works harder,
	// so that the kernel does not kill the process during a reload of many origins.
	memoryShare = 0.9
)

// questionShare is how many of the container's CPUs there are for each one that answers
// questions. At full load one CPU answers more than eight Envoy workers can ask. An idle
// CPU is woken for each step of a call, which costs a quarter and more of the call.
const questionShare = 4

// longWork is work that takes long. It may have all CPUs, so that it does not delay the
// questions. It is safe for concurrent use.
type longWork struct {
	mu    sync.Mutex
	begun int
}

// begin lets all CPUs of the container work until end.
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

// Loading implements live.Watcher.
func (w *longWork) Loading() (loaded func(live.Load)) {
	w.begin()
	return func(live.Load) { w.end() }
}

// tuneProcs lets few CPUs answer questions after the first load, and all of them make loads
// and explanations. It does not change what the user sets with GOMAXPROCS.
func (s *wired) tuneProcs(c *service.Config) {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	work := &longWork{}
	c.Watchers = append(c.Watchers, work)
	s.admin.Explaining = func() (explained func()) {
		work.begin()
		return work.end
	}
}

// tuneMemory sets the garbage collector up for the container. It does not change what the
// user sets with GOGC and GOMEMLIMIT.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit, ok := memoryLimit("/"); ok && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(limit) * memoryShare))
	}
}

// The places of the limits of memory, by the version of cgroups: a folder that has one for
// each group, and the name of the file there.
const (
	cgroup1, limitFile1 = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
	cgroup2, limitFile2 = "sys/fs/cgroup", "memory.max"
)

// memoryLimit returns the lowest limit of the process's cgroups, in bytes. If there is
// none, limited is false. root is the root of the file system.
func memoryLimit(root string) (least int64, limited bool) {
	for _, file := range limitFiles(root) {
		if limit, ok := readLimit(file); ok && (!limited || limit < least) {
			least, limited = limit, true
		}
	}
	return least, limited
}

// limitFiles returns the files that may limit the process. A container sees its own group
// at the top, whatever path the kernel names.
func limitFiles(root string) []string {
	files := []string{filepath.Join(root, cgroup1, limitFile1), filepath.Join(root, cgroup2, limitFile2)}
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return files
	}
	for line := range strings.Lines(string(groups)) {
		// NUMBER:CONTROLLERS:PATH, without controllers in version 2.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[1] == "":
			files = append(files, upwards(filepath.Join(root, cgroup2), parts[2], limitFile2)...)
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			files = append(files, upwards(filepath.Join(root, cgroup1), parts[2], limitFile1)...)
		}
	}
	return files
}

// upwards returns the files of that name in a group and in those above it.
func upwards(top, group, name string) (files []string) {
	for group = filepath.Clean("/" + group); group != "/"; group = filepath.Dir(group) {
		files = append(files, filepath.Join(top, group, name))
	}
	return files
}

// readLimit reads a limit in bytes. It returns false if there is no limit; version 1 then
// has a number of pages that no machine has.
func readLimit(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return limit, err == nil && limit > 0 && limit < math.MaxInt64/2
}
