package envoy

import (
	"os/exec"
	"syscall"
)

// endWithUs has the kernel send cmd a SIGTERM when the thread that started it
// ends, as it does when this process is killed.
func endWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
