package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin"
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

func TestLongWorkUsesAllCPUsAndQuestionsFew(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	all := runtime.GOMAXPROCS(0)
	few := max(1, all/questionShare)
	told := 0
	r, a := &server.Reloader{Loaded: func(server.Load) { told++ }}, &admin.Server{}
	tuneProcs(r, a)
	check := func(when string, want int) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("%s: %d of %d CPUs, want %d", when, got, all, want)
		}
	}
	r.Loading()
	check("during a load", all)
	r.Loaded(server.Load{})
	check("after it", few)
	explained := a.Explaining()
	check("during an explanation", all)
	r.Loading()
	explained()
	check("after it, during a load", all)
	r.Loaded(server.Load{})
	check("after both", few)
	if told != 2 {
		t.Errorf("who else is told of loads was told of %d of 2", told)
	}
}

func TestTuneProcsNeedsNobodyElseToTell(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Setenv("GOMAXPROCS", "")
	r := &server.Reloader{}
	tuneProcs(r, &admin.Server{})
	r.Loading()
	r.Loaded(server.Load{})
}

func TestTuneProcsLeavesWhatTheUserSaid(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	r, a := &server.Reloader{}, &admin.Server{}
	tuneProcs(r, a)
	if r.Loading != nil || r.Loaded != nil || a.Explaining != nil {
		t.Error("GOMAXPROCS is set, and long work changes it")
	}
}
