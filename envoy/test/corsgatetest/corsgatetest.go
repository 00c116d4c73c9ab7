// Package corsgatetest runs a corsgate in tests: the command, built and run as a
// process that can be signalled, stopped and killed, or the service alone.
package corsgatetest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
)

// Build builds the command and returns its path. The go command keeps what it has
// compiled, so only linking takes time. With compiler flags, or without cgo, it would
// compile everything anew.
func Build(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "corsgate")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, "github.com/corsgate/corsgate/cmd/corsgate")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build corsgate: %v\n%s", err, out)
	}
	return path
}

// Process is a running "corsgate serve".
type Process struct {
	// GRPC and Admin are where it listens, HOST:PORT; GRPC is unix://PATH for a
	// Unix socket.
	GRPC, Admin string
	// Output is what it has logged.
	Output *linestest.Buffer

	cmd   *exec.Cmd
	ended chan struct{}
}

// Start runs the binary's serve with args until the test ends, and waits until
// it is ready. Its listeners are on free ports of 127.0.0.1 unless args say
// otherwise.
func Start(t testing.TB, binary string, args ...string) *Process {
	t.Helper()
	p := &Process{Output: &linestest.Buffer{}, ended: make(chan struct{})}
	args = append([]string{"serve", "--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stderr = p.Output
	envoy.EndWithUs(p.cmd) // when the time of go test is over, nothing else does
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start corsgate: %v", err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ExitCode tells
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("corsgate %s printed:\n%s", strings.Join(args, " "), p.Output)
		}
	})
	p.awaitReady(t)
	return p
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends sig.
func (p *Process) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal corsgate: %v", err)
	}
}

// Kill ends the process without a chance to drain, and waits for it. A second
// call does nothing.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// Terminate sends SIGTERM, waits for the end and returns the exit code.
func (p *Process) Terminate(t testing.TB) int {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(servertest.Patience):
		t.Fatal("corsgate has not ended after SIGTERM")
		return 0
	}
}

// awaitReady waits until the log has the addresses, and /readyz says yes.
func (p *Process) awaitReady(t testing.TB) {
	t.Helper()
	for start := time.Now(); time.Since(start) < servertest.Patience; time.Sleep(10 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("corsgate has ended: %s", p.Output)
		default:
		}
		p.readAddresses()
		if p.GRPC != "" && p.Admin != "" && p.ready(t.Context()) {
			return
		}
	}
	t.Fatalf("corsgate is not ready: %s", p.Output)
}

// readAddresses reads the log's lines about the listeners.
func (p *Process) readAddresses() {
	for line := range strings.Lines(p.Output.String()) {
		var l struct{ Msg, GRPC, Admin string }
		if json.Unmarshal([]byte(line), &l) != nil || l.Msg != "listening" {
			continue
		}
		if strings.HasPrefix(l.GRPC, "/") || strings.HasPrefix(l.GRPC, "@") {
			l.GRPC = "unix://" + l.GRPC
		}
		p.GRPC, p.Admin = cmp.Or(p.GRPC, l.GRPC), cmp.Or(p.Admin, l.Admin)
	}
}

func (p *Process) ready(ctx context.Context) bool {
	_, err := p.Get(ctx, "/readyz")
	return err == nil
}

// Get returns a page of the admin listener; another status than 200 is an error.
func (p *Process) Get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+path, nil)
	if err != nil {
		return "", err
	}
	// A new connection each time, so that none stays open.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: servertest.Patience}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(resp.Status))
	}
	return string(body), err
}

// Number returns the number that the pattern's group finds in a text.
func Number(t testing.TB, text, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in %.200q", pattern, text)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
