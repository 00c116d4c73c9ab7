//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
)

// fleet are instances that follow one store.
type fleet struct {
	t        *testing.T
	url      string
	policies string   // the file that is pushed
	access   []string // flags that say who uses the store
	stop     func()   // ends the instance that was started last, as SIGTERM does
}

// corsgate runs a command on the store, and returns what it printed.
func (f *fleet) corsgate(code int, args ...string) (out, errs string) {
	f.t.Helper()
	var stdout, stderr output
	args = slices.Concat(args, []string{"--store", f.url}, f.access)
	if got := run(servertest.Context(f.t), args, nil, &stdout, &stderr); got != code {
		f.t.Fatalf("corsgate %q: exit code %d, want %d\n%s%s", args, got, code, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// push pushes policies that allow an origin alone.
func (f *fleet) push(origin string) {
	f.t.Helper()
	allowOnly(f.t, f.policies, origin)
	f.corsgate(exitOK, "push", f.policies)
}

var (
	listening  = regexp.MustCompile(`"grpc":"([^"]+)"`)
	notServing = regexp.MustCompile(`policies refused, there are none to serve yet`)
)

// serve starts an instance, and returns where it answers.
func (f *fleet) serve(name string) (address string) {
	f.t.Helper()
	log := f.start(name)
	return log.await(f.t, listening, log)[1]
}

// start starts an instance, and returns its log.
func (f *fleet) start(name string) *output {
	f.t.Helper()
	var log output
	args := []string{"serve", "--policies", f.url, "--instance", name, "--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-delay", "0s"}
	cmd := exec.Command("corsgate", append(args, f.access...)...)
	cmd.Stderr = &log
	envoy.EndWithUs(cmd)
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()                          // it was told to end
	})
	f.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		f.stop()
	})
	return &log
}

// expect wants an origin to be allowed by an instance.
func (f *fleet) expect(address, origin string) {
	f.t.Helper()
	if got, err := allowedFor(servertest.Context(f.t), address, origin); got != origin {
		f.t.Errorf("%s allows %q, want %q: %v", address, got, origin, err)
	}
}

// await waits until an origin is allowed by an instance.
func (f *fleet) await(address, origin string) {
	f.t.Helper()
	servertest.Await(f.t, origin+" at "+address, func() bool {
		got, _ := allowedFor(servertest.Context(f.t), address, origin)
		return got == origin
	})
}

// TestAFleetOnEtcd has two instances follow a real etcd.
func TestAFleetOnEtcd(t *testing.T) {
	c := etcdtest.Start(t, 1)
	f := &fleet{t: t, url: c.URL("edge"), policies: filepath.Join(t.TempDir(), "cors.yaml")}
	f.push("https://first.example")
	var addresses []string
	for _, name := range []string{"gw-1", "gw-2"} {
		address := f.serve(name)
		addresses = append(addresses, address)
		f.expect(address, "https://first.example")
	}

	servertest.Await(t, "the reports of both", func() bool {
		out, _ := f.corsgate(exitOK, "status", "--wait", "1", "--timeout", servertest.Patience.String())
		return strings.Count(out, "\n") == 2
	})

	// A push serves on both.
	begin := time.Now()
	f.push("https://second.example")
	for _, address := range addresses {
		f.await(address, "https://second.example")
	}
	t.Logf("both instances answer by the pushed policies after %v", time.Since(begin).Round(time.Millisecond))
	out, _ := f.corsgate(exitOK, "status", "--wait", "2", "--timeout", servertest.Patience.String())
	if !strings.Contains(out, "gw-1  2  ready") || !strings.Contains(out, "gw-2  2  ready") {
		t.Errorf("status says\n%s", out)
	}

	// A bad one does not leave the publisher.
	if err := os.WriteFile(f.policies, []byte("policies:\n- nmae: api\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs := f.corsgate(exitFailure, "push", f.policies); !strings.Contains(errs, "cors.yaml:2:3: error [unknown-field]") {
		t.Errorf("push of bad policies says\n%s", errs)
	}
	if out, _ := f.corsgate(exitOK, "history"); !strings.HasPrefix(out, "2  ") {
		t.Errorf("the history is\n%s", out)
	}

	// The rollback serves on both.
	f.corsgate(exitOK, "rollback")
	f.corsgate(exitOK, "status", "--wait", "3", "--timeout", servertest.Patience.String())
	for _, address := range addresses {
		f.expect(address, "https://first.example")
	}

	f.race()

	// Without the store, instances serve on, and what needs it says so. One that starts then
	// waits for it.
	f.push("https://last.example")
	f.corsgate(exitOK, "status", "--wait", "5", "--timeout", servertest.Patience.String())
	c.Members[0].Kill()
	late := f.start("gw-3")
	allowOnly(t, f.policies, "https://lost.example")
	if _, errs := f.corsgate(exitUnreachable, "push", f.policies); !strings.Contains(errs, "the store cannot be used") {
		t.Errorf("push without the store says\n%s", errs)
	}
	for _, address := range addresses {
		f.expect(address, "https://last.example")
	}
	addresses = append(addresses, late.await(t, listening, late)[1])
	late.await(t, notServing, late)
	c.Members[0].Start()
	c.Await()
	f.push("https://again.example")
	f.corsgate(exitOK, "status", "--wait", "6", "--timeout", servertest.Patience.String())
	for _, address := range addresses {
		f.await(address, "https://again.example") // the last one may not have reported itself yet
	}
}

// race has two publishers replace revision 3 at the same time: one wins, and the other
// one hears of whom.
func (f *fleet) race() {
	f.t.Helper()
	people := []string{"alice", "bob"}
	var codes [2]int
	var errs [2]output
	var g sync.WaitGroup
	for i, who := range people {
		file := filepath.Join(f.t.TempDir(), "cors.yaml")
		allowOnly(f.t, file, fmt.Sprintf("https://%s.example", who))
		g.Go(func() {
			codes[i] = run(servertest.Context(f.t), []string{"push", "--store", f.url, "--by", who, "--base", "3", file}, nil, &output{}, &errs[i])
		})
	}
	g.Wait()
	loser := 0
	if codes[0] == exitOK {
		loser = 1
	}
	if codes[1-loser] != exitOK || codes[loser] != exitLost {
		f.t.Fatalf("exit codes %v\n%s%s", codes, &errs[0], &errs[1])
	}
	if want := fmt.Sprintf("corsgate: revision 4 was pushed meanwhile by %q at ", people[1-loser]); !strings.Contains(errs[loser].String(), want) {
		f.t.Errorf("the loser hears\n%s\nwant %s", &errs[loser], want)
	}
}
