package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to end.
const stopTimeout = time.Minute

// process is a process of the benchmark's own. It is told lines and answers
// each with one line.
type process struct {
	pid     int
	address string // where it serves, HOST:PORT or unix:///PATH
	admin   string // corsgate's listener for operators, HOST:PORT
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	lines   *bufio.Reader
	stderr  bytes.Buffer
	// terminates says that it takes a SIGTERM to end it, not the end of stdin.
	terminates bool
}

// role is a part that this program plays as a process of its own: it begins
// with a line to out, "ready" or its address, answers each line from in, and
// ends with in.
type role func(ctx context.Context, job []byte, in *bufio.Scanner, out io.Writer) error

// roleOf is the role that play plays, whose job is a J.
func roleOf[J any](play func(ctx context.Context, job J, in *bufio.Scanner, out io.Writer) error) role {
	return func(ctx context.Context, encoded []byte, in *bufio.Scanner, out io.Writer) error {
		var job J
		if err := json.Unmarshal(encoded, &job); err != nil {
			return fmt.Errorf("read the job: %w", err)
		}
		return play(ctx, job, in, out)
	}
}

// roles are all roles, by the word on the command line.
func roles() map[string]role {
	return map[string]role{
		"play-noop":     roleOf(playNoop),
		"play-upstream": roleOf(playUpstream),
		"play-service":  roleOf(playService),
		"play-requests": roleOf(playRequests),
		"play-streams":  roleOf(playStreams),
		"play-decide":   roleOf(playDecide),
		"play-follow":   roleOf(playFollow),
		"play-watch":    roleOf(playWatch),
		"play-pace":     roleOf(playPace),
		"play-pages":    roleOf(playPages),
	}
}

// start starts this program in a role and waits for its first line. The process
// ends with ctx, or by stop.
func start(ctx context.Context, name string, job any, env ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	encoded, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{cmd: exec.CommandContext(ctx, self, name, string(encoded))}
	p.cmd.Env = append(os.Environ(), env...)
	if err := p.launch(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if p.address, err = p.read(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// launch starts the command with its pipes.
func (p *process) launch() (err error) {
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.lines = bufio.NewReader(stdout)
	if p.cmd.Stderr == nil {
		p.cmd.Stderr = &p.stderr
	}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopTimeout
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.pid = p.cmd.Process.Pid
	return nil
}

// ask sends a line and returns the answer.
func (p *process) ask(line string) (string, error) {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		return "", p.failed(err)
	}
	return p.read()
}

// askJSON sends a line and reads the answer, which is JSON, into what answer points to.
func (p *process) askJSON(line string, answer any) error {
	text, err := p.ask(line)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), answer); err != nil {
		return fmt.Errorf("read %q: %w", text, err)
	}
	return nil
}

func (p *process) read() (string, error) {
	line, err := p.lines.ReadString('\n')
	if err != nil {
		return "", p.failed(err)
	}
	return strings.TrimSpace(line), nil
}

// failed tells what a process that does not answer has said last.
func (p *process) failed(err error) error {
	return fmt.Errorf("%s: %w", p.cmd.Args[1], errors.Join(err, p.stop()))
}

// stop ends the process and waits for it. A second call does nothing.
func (p *process) stop() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	_ = p.stdin.Close() // which tells it to end
	if p.terminates {
		_ = p.cmd.Cancel() // it may have ended
	}
	if err := p.cmd.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s ended: %w: %s", p.cmd.Args[1], err, bytes.TrimSpace(p.stderr.Bytes()))
	}
	return nil
}

// play runs this program in the role that args name; found is false when they
// name none.
func play(ctx context.Context, args []string) (found bool, err error) {
	if len(args) != 2 {
		return false, nil
	}
	r, found := roles()[args[0]]
	if !found {
		return false, nil
	}
	return true, r(ctx, []byte(args[1]), bufio.NewScanner(os.Stdin), os.Stdout)
}

// answerEach answers each line with what answer returns for it, as JSON.
func answerEach(in *bufio.Scanner, out io.Writer, answer func(line string) (any, error)) error {
	for in.Scan() {
		a, err := answer(in.Text())
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(a); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return nil
}

// untilEOF returns when the benchmark wants the role to end.
func untilEOF(in *bufio.Scanner) {
	for in.Scan() {
	}
}
