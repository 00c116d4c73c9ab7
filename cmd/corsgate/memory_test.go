package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
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
