package envoy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// steps run the commands of an install. They write only into these folders, so that
// nothing stays once those are removed.
type steps struct{ env, temporary string }

// run runs a command. Its standard output goes to progress, if there is one. The error has
// the end of the output, and a hint.
func (s steps) run(ctx context.Context, progress io.Writer, hint, name string, args ...string) error {
	stdout, stderr := &tail{next: progress}, &tail{}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+s.temporary)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	endAll(cmd)
	if err := cmd.Run(); err != nil {
		printed := lastBytes(bytes.TrimSpace(append(stdout.end, stderr.end...)), 400)
		return fmt.Errorf("%s %s: %w: %s (%s, %s)", filepath.Base(name), args[1], err, printed, hint, setHint)
	}
	return nil
}

// tellEvery is how often the size of a download is written.
const tellEvery = 2 * time.Second

// tellSize repeatedly writes the size of a folder to progress, until stop is called.
func tellSize(progress io.Writer, folder string) (stop func()) {
	done := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(progress, "  %.1f MB so far\n", float64(bytesIn(folder))/1e6)
			}
		}
	})
	return func() {
		close(done)
		telling.Wait()
	}
}

// bytesIn returns the size of the files in a folder. It ignores files that disappear
// meanwhile.
func bytesIn(folder string) (total int64) {
	_ = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

// serial is a writer for several goroutines.
type serial struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (s *serial) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}
