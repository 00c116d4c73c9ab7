//go:build unix

// Package etcdtest runs etcd for tests.
package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
)

// Cluster is an etcd of some members on this machine.
type Cluster struct {
	Members []*Member

	t      testing.TB
	folder string
}

// Member is one server. What it has printed is shown if the test fails.
type Member struct {
	// Address is where it listens, HOST:PORT.
	Address string

	t       testing.TB
	data    string // folder
	health  string // URL
	args    []string
	output  linestest.Buffer
	process *exec.Cmd
	ended   chan struct{}
}

// Missing skips a test if there is no etcd on the PATH, and fails it if CI=true.
func Missing(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err == nil {
		return
	}
	const advice = "no etcd on the PATH: install Debian's etcd-server"
	if os.Getenv("CI") == "true" {
		t.Fatal(advice)
	}
	t.Skip(advice)
}

// Start starts an etcd of n members, and ends it with the test. args are for each
// member, such as "--quota-backend-bytes=16777216"; "--cert-file" makes it speak TLS. Without
// an etcd on the PATH the test is skipped, and fails under CI=true.
func Start(t testing.TB, n int, args ...string) *Cluster {
	t.Helper()
	Missing(t)
	c := &Cluster{t: t, folder: t.TempDir()}
	scheme := "http"
	if isTLS(args) {
		scheme = "https"
	}
	ports := freePorts(t, 3*n)
	var peers []string
	for i := range n {
		client, peer, health := scheme+"://"+ports[3*i], "http://"+ports[3*i+1], "http://"+ports[3*i+2]
		m := &Member{Address: ports[3*i], t: t, data: filepath.Join(c.folder, fmt.Sprint(i)), health: health + "/health"}
		name := fmt.Sprintf("m%d", i)
		m.args = slices.Concat([]string{
			"--name", name, "--data-dir", m.data, "--unsafe-no-fsync", "--logger", "zap", "--log-level", "warn",
			"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-metrics-urls", health,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		}, args)
		peers = append(peers, name+"="+peer)
		c.Members = append(c.Members, m)
	}
	for _, m := range c.Members {
		m.args = append(m.args, "--initial-cluster", strings.Join(peers, ","))
		m.launch()
		t.Cleanup(m.clean)
	}
	c.Await()
	return c
}

func isTLS(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--cert-file") })
}

// freePorts returns addresses on which nobody listens.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// URL returns the store's for a fleet: etcd://HOST:PORT,…/FLEET.
func (c *Cluster) URL(fleet string) string {
	var hosts []string
	for _, m := range c.Members {
		hosts = append(hosts, m.Address)
	}
	scheme := "etcd://"
	if isTLS(c.Members[0].args) {
		scheme = "etcds://"
	}
	return scheme + strings.Join(hosts, ",") + "/" + fleet
}

// Await waits until each member that runs has a leader.
func (c *Cluster) Await() {
	c.t.Helper()
	for _, m := range c.Members {
		if m.process != nil {
			servertest.Await(c.t, "etcd's "+m.health, m.healthy)
		}
	}
}

func (m *Member) healthy() bool {
	select {
	case <-m.ended:
		m.t.Fatalf("etcd has ended by itself")
	default:
	}
	res, err := http.Get(m.health)
	if err != nil {
		return false
	}
	time.Sleep(50 * time.Millisecond) // it prints a line for each such question
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

func (m *Member) launch() {
	m.t.Helper()
	m.process, m.ended = exec.Command("etcd", m.args...), make(chan struct{})
	m.process.Stdout, m.process.Stderr = &m.output, &m.output
	endWithUs(m.process)
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, ended chan<- struct{}) {
		defer close(ended)
		_ = cmd.Wait() // who waits in vain shows the output
	}(m.process, m.ended)
}

func (m *Member) clean() {
	m.Kill()
	if log := m.output.String(); m.t.Failed() {
		m.t.Logf("%s printed:\n%s", m.Address, log[max(0, len(log)-4000):])
	}
}

// Start starts the member again, with what it holds.
func (m *Member) Start() {
	m.t.Helper()
	m.launch()
}

// Kill ends the member at once, as kill -9 does.
func (m *Member) Kill() {
	if m.process == nil {
		return
	}
	_ = m.process.Process.Kill() // it may have ended
	<-m.ended
	m.process = nil
}

// Terminate ends the member as an upgrade does, by SIGTERM: it hands its leadership over.
func (m *Member) Terminate() {
	m.t.Helper()
	m.signal(syscall.SIGTERM)
	<-m.ended
	m.process = nil
}

// Stop has the member hang, as SIGSTOP does.
func (m *Member) Stop() { m.signal(syscall.SIGSTOP) }

// Continue has a member that hangs go on.
func (m *Member) Continue() { m.signal(syscall.SIGCONT) }

func (m *Member) signal(s os.Signal) {
	m.t.Helper()
	if err := m.process.Process.Signal(s); err != nil {
		m.t.Fatal(err)
	}
}

// Client returns a client, which is closed with the test. It is for a cluster without
// TLS.
func (c *Cluster) Client() *clientv3.Client {
	c.t.Helper()
	var endpoints []string
	for _, m := range c.Members {
		endpoints = append(endpoints, m.Address)
	}
	return c.client(endpoints...)
}

func (c *Cluster) client(endpoints ...string) *clientv3.Client {
	c.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = client.Close() }) // its server may have ended
	return client
}

// Compact has the cluster forget all revisions but the last.
func (c *Cluster) Compact() {
	c.t.Helper()
	client, ctx := c.Client(), servertest.Context(c.t)
	res, err := client.Get(ctx, "x")
	if err == nil {
		_, err = client.Compact(ctx, res.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) { // then it has no others
		c.t.Fatal(err)
	}
}

// Snapshot saves what the cluster holds, while it does not run, and returns where it is.
func (c *Cluster) Snapshot() (folder string) {
	c.t.Helper()
	folder = c.t.TempDir()
	c.restart(func(m *Member) { c.copy(m.data, filepath.Join(folder, filepath.Base(m.data))) })
	return folder
}

// Restore has the cluster hold what Snapshot has saved, and nothing else.
func (c *Cluster) Restore(folder string) {
	c.t.Helper()
	c.restart(func(m *Member) {
		if err := os.RemoveAll(m.data); err != nil {
			c.t.Fatal(err)
		}
		c.copy(filepath.Join(folder, filepath.Base(m.data)), m.data)
	})
}

// Restart kills all members, and starts them again.
func (c *Cluster) Restart() {
	c.t.Helper()
	c.restart(func(*Member) {})
}

// restart calls change for each member while none runs.
func (c *Cluster) restart(change func(*Member)) {
	c.t.Helper()
	for _, m := range c.Members {
		m.Kill()
	}
	for _, m := range c.Members {
		change(m)
	}
	for _, m := range c.Members {
		m.Start()
	}
	c.Await()
}

func (c *Cluster) copy(from, to string) {
	c.t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		c.t.Fatal(err)
	}
}

// HandOverInVain has the leader hand over to a member that hangs, for a while. It takes no
// write until it has given that up, which is sooner.
func (c *Cluster) HandOverInVain() {
	c.t.Helper()
	ctx, leader := servertest.Context(c.t), c.Leader(servertest.Context(c.t))
	to := c.Members[0]
	if to == leader {
		to = c.Members[1]
	}
	client := c.client(leader.Address)
	res, err := client.Status(ctx, to.Address)
	if err != nil {
		c.t.Fatal(err)
	}
	to.Stop()
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, _ = client.MoveLeader(limited, res.Header.MemberId) // it is in vain, unless it comes first
	to.Continue()
}

// Leader returns the member that is the leader, nil if no member is.
func (c *Cluster) Leader(ctx context.Context) *Member {
	c.t.Helper()
	client := c.Client()
	for _, m := range c.Members {
		if m.process == nil {
			continue
		}
		res, err := client.Status(ctx, m.Address)
		if err == nil && res.Leader == res.Header.MemberId {
			return m
		}
	}
	return nil
}
