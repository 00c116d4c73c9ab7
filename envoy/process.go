package envoy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/corsgate/corsgate/envoy/scratch"
)

// How long an Envoy may take to start and to end. It starts within a second, but not if
// many others start on a busy machine.
const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 5 * time.Second
)

// adminOverlay is merged over the bootstrap. The admin listener says when the Envoy is
// ready, and where it listens.
const adminOverlay = `admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}`

// Process runs one Envoy. Its fields are set before Run and not changed after.
type Process struct {
	// Binary is the path of the Envoy. Required; see Find.
	Binary string
	// Bootstrap is the configuration, YAML or JSON. Required. Its admin
	// listener, if it has one, is replaced by one on a free port of 127.0.0.1.
	Bootstrap []byte
	// Concurrency is the number of worker threads; 0 means 1.
	Concurrency int
	// Ready, if set, is called once, when Envoy takes traffic; Run waits for it,
	// so it should return soon.
	Ready func(Addresses)
	// Stdout gets the access log, and Stderr Envoy's own log of level warning;
	// nil discards them. They are written by a goroutine each.
	Stdout, Stderr io.Writer
}

// Run starts the Envoy, and returns once it has ended and its temporary folder is gone.
// When ctx is done, it ends Envoy by SIGTERM, or by SIGKILL if Envoy still runs after 5
// seconds; the error is then nil. If Envoy does not get ready within three minutes, or
// ends by itself, the error has the end of its log.
func (p *Process) Run(ctx context.Context) (err error) {
	folder, err := scratch.New("", "corsgate-envoy")
	if err != nil {
		return fmt.Errorf("make a folder for envoy: %w", err)
	}
	defer func() { err = errors.Join(err, folder.Remove()) }()
	config := filepath.Join(folder.Path, "bootstrap.yaml") // JSON is YAML
	if err := os.WriteFile(config, p.Bootstrap, 0o600); err != nil {
		return fmt.Errorf("write envoy's bootstrap: %w", err)
	}
	return p.run(ctx, config, filepath.Join(folder.Path, "admin"))
}

// run runs Envoy on a config file and waits until it has ended.
func (p *Process) run(ctx context.Context, config, adminFile string) error {
	processCtx, stop := context.WithCancel(ctx)
	defer stop()
	alive, died := context.WithCancelCause(ctx)
	defer died(nil)
	log := &tail{next: p.Stderr}
	cmd := p.command(processCtx, config, adminFile)
	cmd.Stderr = log
	done := start(cmd, died)
	err := p.awaitReady(alive, adminFile)
	if err != nil {
		stop()
	}
	<-done
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("envoy: %w: %s", cmp.Or(err, context.Cause(alive)), log)
}

// command returns the command of Envoy, which ends with ctx, or with this process. It has
// no hot restarts, since Envoy would leave their shared memory behind.
func (p *Process) command(ctx context.Context, config, adminFile string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Binary,
		"--config-path", config, "--config-yaml", adminOverlay, "--admin-address-path", adminFile,
		"--disable-hot-restart", "--log-level", "warning", "--concurrency", strconv.Itoa(max(1, p.Concurrency)),
		"--file-flush-interval-msec", "50", "--drain-time-s", "1")
	cmd.Stdout = p.Stdout
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	EndWithUs(cmd)
	return cmd
}

// start runs cmd. When cmd has ended, it calls died with the reason, and closes done. The
// thread that starts cmd is kept while cmd runs: see EndWithUs.
func start(cmd *exec.Cmd, died context.CancelCauseFunc) (done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		died(cmp.Or(cmd.Run(), errEnded))
	}()
	return ended
}

// errEnded is the error for an Envoy that exits with status 0 without being told to.
var errEnded = errors.New("it ended by itself")

// awaitReady calls Ready once Envoy is ready. If Envoy has died or takes too long, it
// returns an error.
func (p *Process) awaitReady(alive context.Context, adminFile string) error {
	ctx, cancel := context.WithTimeoutCause(alive, startTimeout, fmt.Errorf("not ready after %v", startTimeout))
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if addresses, ready := probe(ctx, adminFile); ready {
			p.ready(addresses)
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-poll.C:
		}
	}
}

func (p *Process) ready(a Addresses) {
	if p.Ready != nil {
		p.Ready(a)
	}
}

// tail passes a log on and keeps its end for an error. One goroutine of
// exec.Cmd writes it, and it is read after that has ended.
type tail struct {
	next io.Writer
	end  []byte
}

// tailBytes is how much of a log an error shows.
const tailBytes = 4096

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.end = append(t.end, b...)
	t.end = append(t.end[:0], lastBytes(t.end, tailBytes)...)
	if t.next == nil {
		return len(b), nil
	}
	return t.next.Write(b)
}

// String returns the end of the log.
func (t *tail) String() string { return string(bytes.TrimSpace(t.end)) }
