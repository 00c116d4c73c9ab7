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
	// gcPercent trades memory for CPU: the heap is small, and a decision leaves
	// nothing behind, so that collecting half as often costs a few MiB.
	gcPercent = 200
	// memoryShare of the container's limit is where the collector works harder,
	// so that a reload of many origins does not end in the kernel's kill.
	memoryShare = 0.9
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

// Loading implements live.Watcher.
func (w *longWork) Loading() (loaded func(live.Load)) {
	w.begin()
	return func(live.Load) { w.end() }
}

// tuneProcs has questions answered on few CPUs from the end of the first load on,
// and loads and explanations made on all of them. What the user says with
// GOMAXPROCS stays.
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

// tuneMemory sets the garbage collector up for the container. What the user
// says with GOGC and GOMEMLIMIT stays.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if limit, ok := memoryLimit("/"); ok && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(limit) * memoryShare))
	}
}

// Where the limits of memory stand, by the version of cgroups: below that folder
// for each group, in a file of that name.
const (
	cgroup1, limitFile1 = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
	cgroup2, limitFile2 = "sys/fs/cgroup", "memory.max"
)

// memoryLimit returns the least limit of the cgroups that the process is in, in
// bytes; false if there is not one. root is that of the file system.
func memoryLimit(root string) (least int64, limited bool) {
	for _, file := range limitFiles(root) {
		if limit, ok := readLimit(file); ok && (!limited || limit < least) {
			least, limited = limit, true
		}
	}
	return least, limited
}

// limitFiles returns the files that may limit the process. A container sees its
// own group as the topmost, whatever the path that the kernel tells.
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

// readLimit reads a limit in bytes; false if there is not one. Version 1 then has
// a number of pages that no machine has.
func readLimit(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return limit, err == nil && limit > 0 && limit < math.MaxInt64/2
}
