package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/corsgate/corsgate/server"
)

func TestContainerLimitReadsWhatTheKernelWrites(t *testing.T) {
	for text, want := range map[string]int64{"268435456\n": 268435456, "max\n": 0, "": 0, "-1\n": 0, "9223372036854771712\n": 0} {
		path := filepath.Join(t.TempDir(), "memory.max")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, ok := containerLimit(path)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%q: limit %d, %v; want %d", text, got, ok, want)
		}
	}
	if _, ok := containerLimit(filepath.Join(t.TempDir(), "gone")); ok {
		t.Error("a limit without a container")
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

func TestLoadsUseAllCPUsAndQuestionsFew(t *testing.T) {
	defer runtime.SetDefaultGOMAXPROCS()
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	all, told := runtime.GOMAXPROCS(0), 0
	r := &server.Reloader{Loaded: func(server.Load) { told++ }}
	tuneProcs(r)
	for range 2 {
		r.Loading()
		if got := runtime.GOMAXPROCS(0); got != all {
			t.Errorf("a load has %d of %d CPUs", got, all)
		}
		r.Loaded(server.Load{})
		if got, want := runtime.GOMAXPROCS(0), max(1, all/questionShare); got != want {
			t.Errorf("questions have %d CPUs of %d, want %d", got, all, want)
		}
	}
	if told != 2 {
		t.Errorf("who else is told of loads was told of %d of 2", told)
	}
}

func TestTuneProcsLeavesWhatTheUserSaid(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	r := &server.Reloader{}
	tuneProcs(r)
	if r.Loading != nil || r.Loaded != nil {
		t.Error("GOMAXPROCS is set, and a load changes it")
	}
}
