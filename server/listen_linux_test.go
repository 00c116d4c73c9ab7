package server_test

import (
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/server"
)

// TestASocketHasItsModeFromTheFirstMoment looks at the file all the while it
// comes and goes, where the umask takes nothing off.
func TestASocketHasItsModeFromTheFirstMoment(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := socketPath(t)
	var done atomic.Bool
	seen := make(chan map[os.FileMode]bool, 1)
	go func() {
		modes := map[os.FileMode]bool{}
		for !done.Load() {
			if info, err := os.Lstat(path); err == nil {
				modes[info.Mode().Perm()] = true
			}
		}
		seen <- modes
	}()
	for range 3000 {
		l, err := server.Listen("unix://"+path, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	if modes := <-seen; len(modes) != 1 || !modes[0o640] {
		t.Errorf("the socket has had the modes %v", modes)
	}
}
