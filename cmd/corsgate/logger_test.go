package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// unread is a corsgate serve whose standard output, with all decisions, and
// standard error are pipes that are full from the start and that nobody reads.
type unread struct {
	observed
	ctx            context.Context // ends when u hangs
	cmd            *exec.Cmd
	stdout, stderr *os.File // to read from
	grpc, policies string
}

// serveUnread starts one with text as its policies.
func serveUnread(t *testing.T, text string) *unread {
	t.Helper()
	u := &unread{policies: filepath.Join(t.TempDir(), "cors.yaml"), grpc: envoytest.FreeAddress()}
	u.admin = envoytest.FreeAddress()
	if err := os.WriteFile(u.policies, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	u.ctx = ctx
	u.cmd = exec.CommandContext(ctx, "corsgate", "serve", "--policies", u.policies, "--grpc-listen", u.grpc, "--admin-listen", u.admin,
		"--decision-log", "all", "--drain-delay", "0s")
	var outer, errer *os.File
	u.stdout, outer = fullPipe(t)
	u.stderr, errer = fullPipe(t)
	u.cmd.Stdout, u.cmd.Stderr = outer, errer
	envoy.EndWithUs(u.cmd)
	if err := errors.Join(u.cmd.Start(), outer.Close(), errer.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = u.cmd.Wait()
	})
	return u
}

// fullPipe returns a pipe that takes nothing more; there are empty lines in it.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var full error
	err = raw.Write(func(fd uintptr) bool {
		for full == nil {
			_, full = syscall.Write(int(fd), []byte("\n"))
		}
		return true
	})
	if err != nil || !errors.Is(full, syscall.EAGAIN) {
		t.Fatal(err, full)
	}
	return r, w
}

// awaitReady waits until u serves.
func (u *unread) awaitReady(t *testing.T) {
	t.Helper()
	conn, err := grpc.NewClient(u.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	u.conn = conn
	for status := 0; status != http.StatusOK; time.Sleep(10 * time.Millisecond) {
		if status, _, err = u.ask(http.MethodGet, "/readyz"); u.ctx.Err() != nil {
			t.Fatalf("it does not get ready: %v", err)
		}
	}
}

// overflow reloads and asks until lines of both logs have been dropped.
func (u *unread) overflow(t *testing.T) {
	t.Helper()
	for range 100 {
		if status, body, err := u.ask(http.MethodPost, "/-/reload"); err != nil || status != http.StatusOK {
			t.Fatalf("reload: %d %v %s", status, err, body)
		}
		for range 200 {
			u.check(t, "GET", "origin", "https://app.example.com")
		}
		if metrics := u.page(t, "/metrics"); drops(metrics, "corsgate_log_dropped_total") && drops(metrics, "corsgate_decision_log_dropped_total") {
			return
		}
	}
	t.Error("/metrics shows no dropped lines")
}

// catchUp waits until what is logged is no longer dropped.
func (u *unread) catchUp(t *testing.T) {
	t.Helper()
	counter := regexp.MustCompile(`(?m)^corsgate_log_dropped_total .*`)
	before, after := "", counter.FindString(u.page(t, "/metrics"))
	for before != after {
		if status, body, err := u.ask(http.MethodPost, "/-/reload"); err != nil || status != http.StatusOK {
			t.Fatalf("reload: %d %v %s", status, err, body)
		}
		before, after = after, counter.FindString(u.page(t, "/metrics"))
	}
}

// drops reports whether a counter is above 0.
func drops(metrics, counter string) bool {
	return regexp.MustCompile(`(?m)^` + counter + ` [1-9]`).MatchString(metrics)
}

// wantEnd waits for the end and compares the exit code.
func (u *unread) wantEnd(t *testing.T, code int) {
	t.Helper()
	_ = u.cmd.Wait()
	if got := u.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
}

// talkative are policies whose every load logs hundreds of lines.
func talkative() string {
	text := observedPolicies + "originGroups:\n"
	for i := range 900 {
		text += fmt.Sprintf("  unused-%d: [https://a%d.example]\n", i, i)
	}
	return text
}

func TestServeWaitsForNoReaderOfItsLogs(t *testing.T) {
	u := serveUnread(t, talkative())
	u.awaitReady(t)
	u.overflow(t)
	allowOnly(t, u.policies, "https://next.example.com")
	for got := ""; got != "https://next.example.com"; time.Sleep(10 * time.Millisecond) {
		var err error
		if got, err = allowedFor(u.ctx, u.grpc, "https://next.example.com"); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	u.wantEnd(t, exitOK)
}

func TestServeEndsWithoutPoliciesThoughNobodyReadsWhy(t *testing.T) {
	u := serveUnread(t, "policies: 7\n")
	u.wantEnd(t, exitFailure)
}

// TestALogThatIsReadAgainSaysWhatIsMissing reads from when lines have been
// dropped, to the end.
func TestALogThatIsReadAgainSaysWhatIsMissing(t *testing.T) {
	u := serveUnread(t, talkative())
	u.awaitReady(t)
	u.overflow(t)
	all := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(u.stderr)
		all <- string(text)
	}()
	go func() { _, _ = io.Copy(io.Discard, u.stdout) }()
	u.catchUp(t)
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	u.wantEnd(t, exitOK)
	text := strings.TrimLeft(<-all, "\n") // the full pipe's
	var messages []string
	for line := range strings.Lines(text) {
		var entry struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		messages = append(messages, entry.Msg)
	}
	if missing := regexp.MustCompile(`"level":"WARN","msg":"lines of this log were dropped, since nobody read them","lines":[1-9]`); !missing.MatchString(text) {
		t.Errorf("the log does not say what is missing:\n%.2000s", text)
	}
	if last := messages[len(messages)-1]; last != "draining" {
		t.Errorf("the last line is %q", last)
	}
}

func TestWhatGRPCPrintsIsLogged(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(newLogger(&out, false, slog.LevelInfo))
	fmt.Fprintln(grpcErrors{}, "ERROR: cannot do it")
	if got := out.String(); !strings.Contains(got, `"level":"ERROR","msg":"gRPC","error":"ERROR: cannot do it"}`) {
		t.Error(got)
	}
}
