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

// How long an Envoy may take to start and to end. It starts within a second,
// but not where many others do, on a machine that has much else to do.
const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 5 * time.Second
)

// adminOverlay is merged over the bootstrap: the process needs an admin listener
// to tell when it is ready and where it listens.
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

// Run starts the Envoy and returns when it has ended and its temporary folder
// is gone. It ends Envoy when ctx is done, by SIGTERM and, if that does not do
// within 5 seconds, by SIGKILL; then the error is nil. An Envoy that does not
// get ready within three minutes, or ends by itself, is an error with the end of
// its log.
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

// command is the command line of Envoy; it ends with ctx, or with this process.
// Without hot restarts there is no shared memory, which Envoy would leave behind.
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

// start runs cmd, tells died how it ended, and closes done. The thread that
// starts it is kept for as long as it runs: see EndWithUs.
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

// errEnded is an Envoy that exits with status 0 and was not told to.
var errEnded = errors.New("it ended by itself")

// awaitReady calls Ready as soon as Envoy is ready; it returns an error when
// Envoy will not be, because it has died or takes too long.
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
