//go:build linux

package kubernetes

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
)

// process is a program that runs until the test ends.
type process struct {
	output *linestest.Buffer
	ended  chan struct{}
	cmd    *exec.Cmd
}

// start starts a program. What it has printed is shown if the test fails.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{output: &linestest.Buffer{}, ended: make(chan struct{}), cmd: cmd}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	envoy.EndWithUs(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // whoever waits in vain shows the output
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), lastLines(p.output.String()))
		}
	})
	return p
}

// end kills the program and waits for it. A second call does nothing.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// terminate asks the program to end, and waits for it.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(servertest.Patience):
		t.Errorf("%s has not ended", filepath.Base(p.cmd.Path))
	}
}

// lastLines returns the end of a log.
func lastLines(log string) string { return log[max(0, len(log)-8000):] }
