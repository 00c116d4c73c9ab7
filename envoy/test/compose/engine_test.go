package compose

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// The bounds of the engine's work. The image's build compiles everything anew.
const (
	engineStart  = 5 * time.Minute
	engineStop   = 5 * time.Minute
	commandLimit = 15 * time.Minute
)

// engine is a container engine of the test's own, so that no image or container
// of the machine is touched.
type engine struct{ host string }

// startEngine runs an engine until the test ends, if the tests run in full: it
// changes the machine's firewall meanwhile. If there is none, or no right to
// run one, the test is skipped, or fails when CI=true.
func startEngine(t *testing.T) engine {
	t.Helper()
	envoytest.Full(t)
	if err := engineMissing(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	folder, err := os.MkdirTemp("", "corsgate-*") // short: a socket's path is at most 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	e := engine{host: "unix://" + filepath.Join(folder, "docker.sock")}
	log := &bytes.Buffer{}
	cmd := exec.Command("dockerd", "--host", e.host, "--data-root", filepath.Join(folder, "data"),
		"--exec-root", filepath.Join(folder, "exec"), "--pidfile", filepath.Join(folder, "pid"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start dockerd: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		stopEngine(t, cmd.Process, ended)
		if t.Failed() {
			t.Logf("dockerd printed:\n%s", lastLines(log.String(), 20))
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Errorf("remove the engine's folder: %v", err)
		}
	})
	e.awaitReady(t)
	return e
}

// engineMissing says why no engine can be run here, or lacks what its containers are of.
func engineMissing() error {
	if os.Getuid() != 0 {
		return errors.New("a container engine needs root: run the test as root")
	}
	for _, name := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(name); err != nil {
			return errors.New("no container engine: install docker.io and docker-compose")
		}
	}
	for _, name := range []string{"etcd", "etcdctl"} {
		if _, err := exec.LookPath(name); err != nil {
			return errors.New("no etcd: install etcd-server and etcd-client")
		}
	}
	if composeCommand() == nil {
		return errors.New("no docker compose: install docker-compose")
	}
	return nil
}

// composeCommand is the compose that is installed, or nil.
func composeCommand() []string {
	if _, err := exec.LookPath("docker-compose"); err == nil {
		return []string{"docker-compose"}
	}
	if exec.Command("docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	return nil
}

func stopEngine(t *testing.T, p *os.Process, ended <-chan error) {
	_ = p.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-ended:
	case <-time.After(engineStop):
		t.Error("dockerd has not ended after SIGTERM")
		_ = p.Kill()
		<-ended
	}
}

func (e engine) awaitReady(t *testing.T) {
	t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < engineStart; time.Sleep(100 * time.Millisecond) {
		if err = e.command(t.Context(), "", "docker", "version").Run(); err == nil {
			return
		}
	}
	t.Fatalf("the container engine does not answer: %v", err)
}

// command is a command that talks to the engine.
func (e engine) command(ctx context.Context, folder string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.host, "DOCKER_BUILDKIT=0", "COMPOSE_DOCKER_CLI_BUILD=0")
	return cmd
}

// run runs a command and returns what it printed on standard output.
func (e engine) run(t *testing.T, folder string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), commandLimit)
	defer cancel()
	cmd := e.command(ctx, folder, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, lastLines(stdout.String(), 40), lastLines(stderr.String(), 40))
	}
	return stdout.String()
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
