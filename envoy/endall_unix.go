//go:build unix

package envoy

import (
	"os/exec"
	"syscall"
)

// endAll lets all processes that cmd starts end with its context, and at once. A child that
// still runs would write into the folder while that is removed.
func endAll(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
