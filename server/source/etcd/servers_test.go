//go:build unix

package etcd_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/tlsfile"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// codeOf returns the code of a fault, else the text of the error.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return cmp.Or(live.CodeOf(err), err.Error())
}

// aFullStoreSaysSo exhausts the quota of an etcd.
func aFullStoreSaysSo(t *testing.T) {
	c := etcdtest.Start(t, 1, "--quota-backend-bytes", "4194304")
	b := openUntilEnd(t, etcd.Config{URL: newFleet(c)})
	push(t, b, 1)
	var err error
	sum := sha256.Sum256(nil)
	for i := 0; i < 2000 && err == nil; i++ { // it looks at its size now and then
		value := make([]byte, 0, 1<<16)
		for len(value) < 1<<16 {
			sum = sha256.Sum256(sum[:])
			value = append(value, sum[:]...)
		}
		err = b.Put(servertest.Context(t), []store.Object{{Key: fmt.Sprint("u/", i), Value: value}})
	}
	if err == nil || !strings.Contains(err.Error(), "compact and defragment it") {
		t.Errorf("Put: %v, want what to do about the quota", err)
	}
	if _, err := store.Push(servertest.Context(t), b, units(2), store.Meta{}); codeOf(err) != store.CodeUnreachable || !strings.Contains(err.Error(), "compact and defragment it") {
		t.Errorf("Push: %v, want what to do about the quota", err)
	}
	if r, err := (&store.Source{Backend: b}).Read(servertest.Context(t)); err != nil || r.Release.Revision != 1 {
		t.Errorf("Read: %+v, %v, want what was there", r.Release, err)
	}
}

// TestAServerThatHangsIsLeft has one of three hang, and one be killed.
func TestAServerThatHangsIsLeft(t *testing.T) {
	c := etcdtest.Start(t, 3)
	b := openUntilEnd(t, etcd.Config{URL: newFleet(c)})
	push(t, b, 1)
	s := &store.Source{Backend: b, Audit: time.Second}
	await := followed(t, s)
	follow := func(age int) {
		t.Helper()
		push(t, patient{b, t}, age)
		await(uint64(age))
	}
	leader := c.Leader(servertest.Context(t))
	leader.Stop()
	follow(2)
	leader.Continue()
	c.Members[0].Kill()
	follow(3)
	c.Members[0].Start()
	c.Await()
	follow(4)
	// A server that is left alone knows of nothing that the others do.
	last := c.Members[2].Address
	alone := openUntilEnd(t, etcd.Config{URL: "etcd://" + last + "/edge"})
	watching, begun := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		watching <- alone.Watch(servertest.Context(t), "w/target", func([]byte) { begun <- struct{}{} })
	}()
	<-begun
	c.Members[0].Kill()
	c.Members[1].Kill()
	select {
	case err := <-watching:
		if err == nil {
			t.Error("Watch of a server alone: no error")
		}
	case <-time.After(servertest.Patience):
		t.Error("Watch of a server alone goes on")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // for more than one try
	defer cancel()
	if _, err := alone.Get(ctx, "w/target"); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
		t.Errorf("Get of a server alone: %v, want that it tries until the time is over", err)
	}
}

// ofThree calls test for an etcd of three, without users and with passwords, of which the
// tokens do not outlive a server.
func ofThree(t *testing.T, test func(*testing.T, *etcdtest.Cluster, etcd.Config)) {
	for name, passwords := range map[string]bool{"without users": false, "with passwords": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := etcdtest.Start(t, 3)
			config := etcd.Config{URL: newFleet(c)}
			if passwords {
				requirePasswords(t, c)
				config.User, config.Password = "root", "secret"
			}
			test(t, c, config)
		})
	}
}

// TestPushWhileALeaderIsElected kills the leader just before each push. Each push has a
// connection of its own, as the command does.
func TestPushWhileALeaderIsElected(t *testing.T) {
	ofThree(t, func(t *testing.T, c *etcdtest.Cluster, config etcd.Config) {
		push(t, openUntilEnd(t, config), 1)
		for age := 2; age <= 5; age++ {
			leader := c.Leader(servertest.Context(t))
			leader.Kill()
			push(t, patient{openUntilEnd(t, config), t}, age)
			leader.Start()
			c.Await()
		}
	})
}

// patient gives each call all the time that it takes: an election may last on a machine that
// has much else to do.
type patient struct {
	store.Backend
	t *testing.T
}

func (p patient) Get(_ context.Context, keys ...string) ([]store.Object, error) {
	return p.Backend.Get(servertest.Context(p.t), keys...)
}

func (p patient) List(_ context.Context, prefix string) ([]store.Object, error) {
	return p.Backend.List(servertest.Context(p.t), prefix)
}

func (p patient) Put(_ context.Context, objects []store.Object) error {
	return p.Backend.Put(servertest.Context(p.t), objects)
}

func (p patient) Swap(_ context.Context, objects []store.Object) (bool, error) {
	return p.Backend.Swap(servertest.Context(p.t), objects)
}

func (p patient) Delete(_ context.Context, objects []store.Object) error {
	return p.Backend.Delete(servertest.Context(p.t), objects)
}

func (p patient) Announce(_ context.Context, key string, value []byte, ttl time.Duration) error {
	return p.Backend.Announce(servertest.Context(p.t), key, value, ttl)
}

// TestRollingRestart ends each of three members in turn, as an upgrade does, and starts it
// again, and then kills all of them. Meanwhile one connection pushes, reads, collects and
// reports without end, and another one follows.
func TestRollingRestart(t *testing.T) {
	ofThree(t, func(t *testing.T, c *etcdtest.Cluster, config etcd.Config) {
		b := patient{openUntilEnd(t, config), t}
		push(t, b, 1)
		s := &store.Source{Backend: patient{openUntilEnd(t, config), t}, Audit: time.Second}
		await := followed(t, s)
		stop := goOn(t, b)
		for _, m := range c.Members {
			m.Terminate()
			m.Start()
			c.Await()
		}
		c.Restart()
		await(stop())
	})
}

// followed has a source be followed. The function that it returns waits for a revision.
func followed(t *testing.T, s *store.Source) (await func(revision uint64)) {
	t.Helper()
	told := make(chan struct{}, 1)
	servertest.Run(t, func(ctx context.Context) error {
		return s.Watch(ctx, func() {
			select {
			case told <- struct{}{}:
			default:
			}
		})
	})
	return func(revision uint64) {
		t.Helper()
		servertest.Await(t, fmt.Sprint("revision ", revision), func() bool {
			select {
			case <-told:
				r, err := s.Read(servertest.Context(t))
				return err == nil && r.Release.Revision == revision
			default:
				return false
			}
		})
	}
}

// goOn uses a store that has one release, without end. Nothing may fail, and each push makes
// one revision. stop ends it, and returns the last one.
func goOn(t *testing.T, b store.Backend) (stop func() (last uint64)) {
	done, users, last := make(chan struct{}), sync.WaitGroup{}, uint64(1)
	for what, use := range map[string]func() error{
		"Push": func() error {
			p, err := store.Push(servertest.Context(t), b, units(int(last)+1), store.Meta{})
			if last++; err == nil && (p.Revision != last || p.Unchanged) {
				return fmt.Errorf("revision %d, want %d; unchanged: %t", p.Revision, last, p.Unchanged)
			}
			return err
		},
		"History": func() error { _, err := store.History(servertest.Context(t), b, 5); return err },
		"Pull":    func() error { _, err := store.Pull(servertest.Context(t), b, 0); return err },
		"Fleet":   func() error { _, err := store.ReadFleet(servertest.Context(t), b); return err },
		"GC":      func() error { _, err := store.GC(servertest.Context(t), b, 10, false); return err },
		"Announce": func() error {
			return b.Announce(servertest.Context(t), "i/now/a", []byte(time.Now().String()), time.Minute)
		},
	} {
		users.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
				}
				if err := use(); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	stop = sync.OnceValue(func() uint64 {
		close(done)
		users.Wait()
		return last
	})
	t.Cleanup(func() { stop() })
	return stop
}

// TestALeaderThatHandsOverTakesNothing has the leader hand over to a member that hangs: until
// it gives that up, it drops each write.
func TestALeaderThatHandsOverTakesNothing(t *testing.T) {
	c := etcdtest.Start(t, 3)
	leader := c.Leader(servertest.Context(t))
	_, fleet, _ := strings.Cut(strings.TrimPrefix(newFleet(c), "etcd://"), "/")
	b := openUntilEnd(t, etcd.Config{URL: "etcd://" + leader.Address + "/" + fleet})
	push(t, b, 1)
	stop := goOn(t, patient{b, t})
	c.HandOverInVain()
	stop()
}

// TestAServerThatIsAwayAtTheStart is also about a password, which is checked when it is
// there.
func TestAServerThatIsAwayAtTheStart(t *testing.T) {
	c := etcdtest.Start(t, 1)
	ctx, client := servertest.Context(t), c.Client()
	for _, err := range []error{
		errOf(client.RoleAdd(ctx, "instance")), errOf(client.UserAdd(ctx, "gw", "word")), errOf(client.UserGrantRole(ctx, "gw", "instance")),
		errOf(client.RoleGrantPermission(ctx, "instance", "/corsgate/v1/edge/", clientv3.GetPrefixRangeEnd("/corsgate/v1/edge/"), clientv3.PermissionType(clientv3.PermRead))),
		errOf(client.RoleGrantPermission(ctx, "instance", "/corsgate/v1/edge/i/", clientv3.GetPrefixRangeEnd("/corsgate/v1/edge/i/"), clientv3.PermissionType(clientv3.PermReadWrite))),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	requirePasswords(t, c)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := c.URL("edge")
	root, gw := openUntilEnd(t, etcd.Config{URL: url, User: "root", Password: "secret"}), openUntilEnd(t, etcd.Config{URL: url, User: "gw", PasswordFile: file})
	c.Members[0].Kill()
	s := &store.Source{Backend: gw}
	_, err := s.Read(ctx)
	if codeOf(err) != store.CodeUnreachable {
		t.Errorf("Read without a server: %v", err)
	}
	c.Members[0].Start()
	c.Await()
	push(t, root, 1)
	servertest.Await(t, "the release", func() bool {
		r, err := s.Read(ctx)
		return err == nil && r.Release.Revision == 1
	})
	if err := gw.Announce(ctx, "i/now/gw", nil, time.Hour); err != nil {
		t.Errorf("Announce as an instance: %v", err)
	}
	if _, err := store.Push(ctx, gw, units(2), store.Meta{}); err == nil || !strings.Contains(err.Error(), "role") {
		t.Errorf("Push as an instance: %v, want that it needs a role", err)
	}
	wrong := openUntilEnd(t, etcd.Config{URL: url, User: "gw", Password: "wrong"})
	if _, err := wrong.Get(ctx, "w/target"); err == nil || !strings.Contains(err.Error(), "check the user and the password") {
		t.Errorf("Get with a wrong password: %v", err)
	}
	nobody := openUntilEnd(t, etcd.Config{URL: url})
	if _, err := nobody.Get(ctx, "w/target"); err == nil || !strings.Contains(err.Error(), "give a user and a password") {
		t.Errorf("Get without a user: %v", err)
	}
}

// requirePasswords has an etcd know only those who give a password, such as root.
func requirePasswords(t *testing.T, c *etcdtest.Cluster) {
	t.Helper()
	ctx, client := servertest.Context(t), c.Client()
	for _, err := range []error{
		errOf(client.RoleAdd(ctx, "root")), errOf(client.UserAdd(ctx, "root", "secret")), errOf(client.UserGrantRole(ctx, "root", "root")),
		errOf(client.AuthEnable(ctx)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestTLS(t *testing.T) {
	dir, ca, other := t.TempDir(), tlstest.New(t), tlstest.New(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	ca.WriteCA(t, file("ca.pem"))
	other.WriteCA(t, file("other.pem"))
	ca.Write(t, file("server.pem"), file("server.key"), "127.0.0.1", "localhost")
	ca.Write(t, file("client.pem"), file("client.key"), "gw")
	c := etcdtest.Start(t, 1, "--cert-file="+file("server.pem"), "--key-file="+file("server.key"), "--client-cert-auth", "--trusted-ca-file="+file("ca.pem"))
	url := newFleet(c)
	good := tlsfile.ClientFiles{CA: file("ca.pem"), Cert: file("client.pem"), Key: file("client.key")}
	push(t, openUntilEnd(t, etcd.Config{URL: url, TLS: good}), 1)
	for name, files := range map[string]tlsfile.ClientFiles{
		"another authority": {CA: file("other.pem"), Cert: good.Cert, Key: good.Key},
		"no certificate":    {CA: good.CA},
		"the system's":      {Cert: good.Cert, Key: good.Key},
	} {
		b := openUntilEnd(t, etcd.Config{URL: url, TLS: files})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if got, err := b.Get(ctx, "w/target"); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
		cancel()
	}
}
