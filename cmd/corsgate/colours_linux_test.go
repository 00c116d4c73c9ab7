package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestColoursAreForTerminals runs commands at a terminal: levels and verdicts
// have colours, unless nobody wants them.
func TestColoursAreForTerminals(t *testing.T) {
	t.Chdir(t.TempDir())
	const policy = "policies:\n- name: api\n  cors: {allowOrigins: [%s]}\n"
	for name, text := range map[string]string{
		"bad.yaml": fmt.Sprintf(policy, "https://app.example.com/"), "old.yaml": fmt.Sprintf(policy, "https://app.example.com"),
		"wider.yaml":   fmt.Sprintf(policy, "https://app.example.com, https://other.example.com"),
		"failing.yaml": "cases:\n- name: a case\n  request: {host: api.example.com}\n  want: {reason: no_policy}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ variable, command, want string }{
		{"", "check bad.yaml", "\x1b[31merror\x1b[0m ["},
		{"", "diff old.yaml wider.yaml", "\x1b[31mwidens\x1b[0m ["},
		{"", "test --policies old.yaml failing.yaml", "\x1b[31mfailed:\x1b[0m \""},
		{"", "test --policies old.yaml failing.yaml", "\x1b[33mnot exercised:\x1b[0m "},
		{"NO_COLOR=1", "check bad.yaml", ": error ["},
		{"TERM=dumb", "check bad.yaml", ": error ["},
	} {
		if got := atTerminal(t, c.variable, strings.Fields(c.command)...); !strings.Contains(got, c.want) || c.variable != "" && strings.Contains(got, "\x1b") {
			t.Errorf("%s corsgate %s printed %q, want %q", c.variable, c.command, got, c.want)
		}
	}
	if got, _ := exec.Command("corsgate", "check", "bad.yaml").Output(); !strings.Contains(string(got), ": error [") {
		t.Errorf("in a pipe it is %q", got)
	}
}

// atTerminal returns what corsgate prints at a pseudo-terminal (pts(4)).
func atTerminal(t *testing.T, variable string, args ...string) string {
	t.Helper()
	screen, terminal := openTerminal(t)
	defer screen.Close()
	cmd := exec.Command("corsgate", args...)
	cmd.Stdout, cmd.Env = terminal, append(os.Environ(), "TERM=xterm", "NO_COLOR=", variable)
	err := cmd.Start()
	terminal.Close()
	if err != nil {
		t.Fatal(err)
	}
	printed, _ := io.ReadAll(screen) // ends with an error when nobody has the terminal any more
	_ = cmd.Wait()                   // the findings are failures
	return string(printed)
}

// openTerminal opens a pseudo-terminal; what is printed there is read from
// screen.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err == nil {
		number, err = unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		terminal, err = os.OpenFile(filepath.Join("/dev/pts", fmt.Sprint(number)), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		screen.Close()
		t.Fatal(err)
	}
	return screen, terminal
}
