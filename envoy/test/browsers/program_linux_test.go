package browsers

import "syscall"

// ownGroup has a program lead a process group, and end with the tests even if
// they are killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
