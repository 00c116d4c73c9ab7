package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// unitBinary is where corsgate.service expects the command.
const unitBinary = "/usr/local/bin/corsgate"

func unit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "corsgate.service"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestUnitUsesFlagsThatThereAre holds the systemd unit to the command: its
// flags, the variables of its comments, and the time that it takes to drain.
func TestUnitUsesFlagsThatThereAre(t *testing.T) {
	serve, text := newServe().Flags(), unit(t)
	used := regexp.MustCompile(`--([a-z][a-z-]+)`).FindAllStringSubmatch(text, -1)
	for _, m := range regexp.MustCompile(`CORSGATE_([A-Z_]+)`).FindAllStringSubmatch(text, -1) {
		used = append(used, []string{m[0], strings.ReplaceAll(strings.ToLower(m[1]), "_", "-")})
	}
	if len(used) < 4 {
		t.Errorf("only %d flags", len(used))
	}
	for _, m := range used {
		if serve.Lookup(m[1]) == nil && m[1] != "now" { // which is systemctl's
			t.Errorf("serve has no flag for %s", m[0])
		}
	}
	for _, line := range []string{"ExecStart=" + unitBinary + " serve --policies /etc/corsgate\n", "ExecReload=/bin/kill -HUP $MAINPID\n", "Environment=CORSGATE_DRAIN_DELAY=0\n", "Environment=CORSGATE_STATE_DIR=/var/lib/corsgate\n", "StateDirectory=corsgate\n", "StateDirectoryMode=0700\n", "DynamicUser=yes\n", "ProtectSystem=strict\n"} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("there is no %s", line)
		}
	}
	var drain time.Duration
	for _, name := range []string{"drain-delay", "drain-timeout"} {
		d, err := serve.GetDuration(name)
		if err != nil {
			t.Fatal(err)
		}
		drain += d
	}
	_, stop, _ := strings.Cut(text, "\nTimeoutStopSec=")
	stop, _, _ = strings.Cut(stop, "\n")
	if d, err := time.ParseDuration(stop + "s"); err != nil || d <= drain {
		t.Errorf("TimeoutStopSec is %q, want more than the %v that draining takes", stop, drain)
	}
}

// TestSystemdTakesTheUnit has systemd itself read the unit and judge how much it
// leaves to the process.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "corsgate.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit(t), unitBinary, self)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// 100 is a process that may do anything.
	if out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=20", file).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}
