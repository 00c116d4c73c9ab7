//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// demoProcess is a demo in a process of its own, whose output a test reads.
type demoProcess struct {
	cmd    *exec.Cmd
	stdout io.ReadCloser
	errs   *output
}

// startDemo starts a demo whose temporary folders are in folder.
func startDemo(t *testing.T, folder string, args ...string) *demoProcess {
	t.Helper()
	d := &demoProcess{cmd: exec.Command("corsgate", append([]string{"demo"}, args...)...), errs: &output{}}
	d.cmd.Env, d.cmd.Stderr = append(os.Environ(), "TMPDIR="+folder), d.errs
	var err error
	if d.stdout, err = d.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.cmd.ProcessState == nil {
			_ = d.cmd.Process.Signal(os.Interrupt)
			_ = d.cmd.Wait()
		}
	})
	return d
}

// await reads the output up to a line that matches re.
func (d *demoProcess) await(t *testing.T, re string) []string {
	t.Helper()
	lines := bufio.NewScanner(d.stdout)
	for lines.Scan() {
		if m := regexp.MustCompile(re).FindStringSubmatch(lines.Text()); m != nil {
			return m
		}
	}
	t.Fatalf("the demo has ended: %s", d.errs)
	return nil
}

// ends waits for the end and wants the exit code.
func (d *demoProcess) ends(t *testing.T, code int) {
	t.Helper()
	_ = d.cmd.Wait() // the exit code tells
	if got := d.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d: %s", got, code, d.errs)
	}
}

// left are the names in a folder.
func left(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestDemoRemovesWhatAKilledOneLeft kills a demo beside another one: its Envoy
// ends, and the next demo removes its folders, but not those of the living.
func TestDemoRemovesWhatAKilledOneLeft(t *testing.T) {
	envoytest.Binary(t)
	folder := t.TempDir()
	living := startDemo(t, folder, "--listen", "127.0.0.1:0")
	policy := living.await(t, `^Policy: (\S+)`)[1]
	of := len(left(t, folder))
	killed := startDemo(t, folder, "--listen", "127.0.0.1:0")
	address := killed.await(t, `^Envoy answers on (\S+),`)[1]
	_ = killed.cmd.Process.Kill()
	killed.ends(t, -1)
	if n := len(left(t, folder)); n != 2*of {
		t.Fatalf("%d folders of two demos, one has %d: the test shows nothing", n, of)
	}
	servertest.Await(t, "the end of the killed demo's Envoy", func() bool {
		resp, err := http.Get(address)
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	})
	startDemo(t, folder, "--once", "--listen", "127.0.0.1:0").ends(t, exitOK)
	if found := left(t, folder); len(found) != of {
		t.Errorf("%q are left, want the %d of the living demo", found, of)
	}
	if _, err := os.Stat(policy); err != nil {
		t.Errorf("the living demo's policy: %v", err)
	}
}

// TestDemoLeavesNothingWhenNobodyReadsIt closes its output after the first line.
func TestDemoLeavesNothingWhenNobodyReadsIt(t *testing.T) {
	envoytest.Binary(t)
	t.Run("--once", func(t *testing.T) {
		folder := t.TempDir()
		d := startDemo(t, folder, "--once", "--listen", "127.0.0.1:0")
		d.await(t, `.`)
		d.stdout.Close()
		d.ends(t, exitOK)
		if found := left(t, folder); len(found) != 0 {
			t.Errorf("left: %q", found)
		}
	})
	t.Run("until Ctrl-C", func(t *testing.T) {
		folder := t.TempDir()
		d := startDemo(t, folder, "--listen", "127.0.0.1:0")
		d.await(t, `.`)
		d.stdout.Close() // while there is nothing to print
		d.ends(t, exitOK)
		if found := left(t, folder); len(found) != 0 {
			t.Errorf("left: %q", found)
		}
	})
}

// TestDemoLeavesNothingAtASignal ends it as Ctrl-C does, a service manager, and a
// terminal that is closed.
func TestDemoLeavesNothingAtASignal(t *testing.T) {
	envoytest.Binary(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			// What starts the tests may ignore the signal, as nohup does, and the demo
			// would take over that.
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, s)
			defer signal.Stop(signals)
			folder := t.TempDir()
			d := startDemo(t, folder, "--listen", "127.0.0.1:0")
			d.await(t, `Ctrl-C ends`)
			if err := d.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			d.ends(t, exitOK)
			if found := left(t, folder); len(found) != 0 {
				t.Errorf("left: %q", found)
			}
		})
	}
}

// TestDemoThatIsInterruptedSaysSo interrupts an install that hangs.
func TestDemoThatIsInterruptedSaysSo(t *testing.T) {
	folder, bin, cache := t.TempDir(), t.TempDir(), t.TempDir()
	started := filepath.Join(folder, "started")
	script := "#!/bin/sh\ntouch " + started + "\nsleep 1000\n"
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	corsgate, err := exec.LookPath("corsgate")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(envoy.BinaryVariable, "")
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Setenv("PATH", strings.Join([]string{bin, filepath.Dir(corsgate), "/usr/bin", "/bin"}, ":"))
	d := startDemo(t, folder, "--listen", "127.0.0.1:0")
	servertest.Await(t, "the install", func() bool { _, err := os.Stat(started); return err == nil })
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	d.ends(t, exitInterrupted)
	lines := strings.Split(strings.TrimSpace(d.errs.String()), "\n")
	if last := lines[len(lines)-1]; last != "corsgate: interrupted, nothing is left behind" || strings.Count(d.errs.String(), "corsgate: ") != 1 {
		t.Errorf("it said %q", lines)
	}
	if found, _ := filepath.Glob(filepath.Join(cache, "*", "*", "*", "*")); len(found) != 0 {
		t.Errorf("left: %q", found)
	}
}
