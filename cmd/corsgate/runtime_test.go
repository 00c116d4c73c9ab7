package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/service"
)

func TestMemoryLimitReadsWhatTheKernelWrites(t *testing.T) {
	const v1, v2, groups = "sys/fs/cgroup/memory/", "sys/fs/cgroup/", "proc/self/cgroup"
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"version 2":                   {map[string]string{v2 + "memory.max": "268435456\n"}, 268435456},
		"version 2, none":             {map[string]string{v2 + "memory.max": "max\n"}, 0},
		"version 1":                   {map[string]string{v1 + "memory.limit_in_bytes": "536870912\n"}, 536870912},
		"version 1, none":             {map[string]string{v1 + "memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"version 1, pages of 64 KiB":  {map[string]string{v1 + "memory.limit_in_bytes": "9223372036854710272\n"}, 0},
		"empty":                       {map[string]string{v2 + "memory.max": ""}, 0},
		"negative":                    {map[string]string{v1 + "memory.limit_in_bytes": "-1\n"}, 0},
		"no container":                {nil, 0},
		"a group's own":               {map[string]string{groups: "0::/a/b\n", v2 + "a/b/memory.max": "1000\n", v2 + "a/memory.max": "max\n"}, 1000},
		"the least of those above":    {map[string]string{groups: "0::/a/b\n", v2 + "a/b/memory.max": "1000\n", v2 + "a/memory.max": "900\n"}, 900},
		"a group's own, version 1":    {map[string]string{groups: "5:cpu,memory:/a\n1:name=x:/\n", v1 + "a/memory.limit_in_bytes": "1000\n", v1 + "memory.limit_in_bytes": "9223372036854771712\n"}, 1000},
		"a path outside a container":  {map[string]string{groups: "9:memory:/docker/0123\n0::/docker/0123\n", v1 + "memory.limit_in_bytes": "1000\n"}, 1000},
		"another controller's":        {map[string]string{groups: "5:cpu:/a\n", v1 + "a/memory.limit_in_bytes": "1000\n", v2 + "a/memory.max": "1000\n"}, 0},
		"a group outside a namespace": {map[string]string{groups: "0::/../../a\n", v2 + "memory.max": "800\n", v2 + "a/memory.max": "max\n"}, 800},
		"what is no list of groups":   {map[string]string{groups: "\n0\n::\n", v2 + "memory.max": "700\n"}, 700},
	} {
		root := t.TempDir()
		for file, text := range tt.files {
			path := filepath.Join(root, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if got, ok := memoryLimit(root); ok != (tt.want != 0) || got != tt.want {
			t.Errorf("%s: limit %d, %v; want %d", name, got, ok, tt.want)
		}
	}
}

func TestTuneMemoryLeavesWhatTheUserSaid(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "50")
	tuneMemory()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC is set, and the percentage became %d", got)
	}
	t.Setenv("GOGC", "")
	tuneMemory()
	if got := debug.SetGCPercent(100); got != gcPercent {
		t.Errorf("GOGC is not set, and the percentage is %d, want %d", got, gcPercent)
	}
}

func TestLongWorkUsesAllCPUsAndQuestionsFew(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	all := runtime.GOMAXPROCS(0)
	few := max(1, all/questionShare)
	s, c := &wired{admin: &admin.Server{}}, service.Config{}
	s.tuneProcs(&c)
	work := c.Watchers[0]
	check := func(when string, want int) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("%s: %d of %d CPUs, want %d", when, got, all, want)
		}
	}
	loaded := work.Loading()
	check("during a load", all)
	loaded(live.Load{})
	check("after it", few)
	explained := s.admin.Explaining()
	check("during an explanation", all)
	loaded = work.Loading()
	explained()
	check("after it, during a load", all)
	loaded(live.Load{})
	check("after both", few)
}

func TestTuneProcsLeavesWhatTheUserSaid(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	s, c := &wired{admin: &admin.Server{}}, service.Config{}
	s.tuneProcs(&c)
	if len(c.Watchers) > 0 || s.admin.Explaining != nil {
		t.Error("GOMAXPROCS is set, and long work changes it")
	}
}
