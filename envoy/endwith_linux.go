package envoy

import (
	"os/exec"
	"syscall"
)

// EndWithUs lets the kernel send cmd a SIGTERM when the thread that starts it ends, as
// when this process is killed.
func EndWithUs(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
}
