package browsers

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/lines/linestest"
)

// startProgram starts a program with a home of its own, until the test ends, or
// the tests are killed. All that it started ends with it. What it prints is shown
// if the test fails.
func startProgram(t *testing.T, cmd *exec.Cmd, env ...string) {
	t.Helper()
	home, out := t.TempDir(), &linestest.Buffer{}
	cmd.Env = append(cmd.Environ(), "HOME="+home, "TMPDIR="+home, "XDG_RUNTIME_DIR="+home,
		"XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "XDG_DATA_HOME="+home)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, &syscall.SysProcAttr{Setpgid: true}
	envoy.EndWithUs(cmd)
	// A process that it leaves behind may hold its output open.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		stopGroup(cmd)
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), out)
		}
	})
}

// stopGroup asks a program to end, and ends the rest of its process group.
func stopGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // how it ended says nothing
	late.Stop()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group may be empty
}
