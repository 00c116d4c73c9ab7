package etcdtest

import (
	"os/exec"
	"syscall"
)

// endWithUs has cmd end when this process is killed.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
