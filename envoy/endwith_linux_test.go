package envoy_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/servertest"
)

// starterVariable has TestEndWithUs be the process that is killed.
const starterVariable = "CORSGATE_TEST_STARTER"

// TestEndWithUs kills a process, and wants the one that it has started to end.
func TestEndWithUs(t *testing.T) {
	if os.Getenv(starterVariable) != "" {
		startAndWait(t)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestEndWithUs$")
	cmd.Env = append(os.Environ(), starterVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	_, err = fmt.Fscan(out, &pid)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if running(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	servertest.Await(t, "the end of what a killed process has started", func() bool { return !running(pid) })
}

// startAndWait starts a program, prints its process id, and waits for it.
func startAndWait(t *testing.T) {
	sleep := exec.Command("sleep", "1000")
	envoy.EndWithUs(sleep)
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Println(sleep.Process.Pid)
	_ = sleep.Wait()
}

// running reports whether the sleep of that process id runs; one that has ended
// and that nobody has waited for has no command line.
func running(pid int) bool {
	line, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return strings.HasPrefix(string(line), "sleep\x00")
}
