//go:build unix

package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
)

// TestCompactionsDuringADisconnect has the store forget, while an instance is away, what
// that instance would have been told: first its revisions, then its records, too.
func TestCompactionsDuringADisconnect(t *testing.T) {
	t.Parallel()
	cluster, publisher := startStore(t, 1)
	last := push(t, publisher, units(t, 1))
	b, network := linked(t, cluster)
	i := start(t, plan{store: b})
	i.awaitRelease(t, last.Info)
	n := 1
	for _, forget := range []func(){
		func() {},
		func() {
			if c, err := store.GC(servertest.Context(t), publisher, 1, false); err != nil || c.Records == 0 {
				t.Errorf("GC: %+v, %v", c, err)
			}
		},
	} {
		network.cut()
		for range 10 {
			n++
			last = push(t, publisher, units(t, n))
		}
		forget()
		cluster.Compact()
		i.exposes(t, n-10)
		network.mend()
		i.awaitRelease(t, last.Info)
		i.exposes(t, n)
	}
}

// TestALostStore takes an older copy of the store back, or one that is empty. Instances do
// not follow it until somebody restores what they serve.
func TestALostStore(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]int{"older": 1, "empty": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loseStore(t, before)
		})
	}
}

// loseStore takes back a copy that was made after some pushes.
func loseStore(t *testing.T, before int) {
	cluster, publisher := startStore(t, 1)
	for n := range before {
		push(t, publisher, units(t, 100+n))
	}
	copied := cluster.Snapshot()
	push(t, publisher, units(t, 1))
	last := push(t, publisher, units(t, 2))
	follow := func(state string) *instance {
		return start(t, plan{store: open(t, cluster.URL(fleetName)), state: state})
	}
	folder := t.TempDir()
	kept, plain := follow(folder), follow("")
	both := func(what func(*instance)) {
		what(kept)
		what(plain)
	}
	both(func(i *instance) { i.awaitRelease(t, last.Info) })

	cluster.Restore(copied)
	both(func(i *instance) {
		i.awaitRefusal(t, store.CodeRegressed)
		i.isReady(t, true)
		i.exposes(t, 2)
	})

	// Whoever starts again serves its state.
	kept.stop()
	kept = follow(folder)
	kept.awaitRefusal(t, store.CodeRegressed)
	if s := kept.Reloader.Status(); s.ServedFrom != live.FromState || s.Release != last.Release {
		t.Errorf("after a restart it serves %+v from %s", s.Release, s.ServedFrom)
	}
	kept.isReady(t, true)
	kept.exposes(t, 2)

	// Pushes into such a store do not mend it, nor does another start.
	push(t, publisher, units(t, 3))
	push(t, publisher, units(t, 5))
	kept.stop()
	kept = follow(folder)
	both(func(i *instance) {
		_, err := i.Reloader.Reload(servertest.Context(t))
		if refusal, ok := errors.AsType[*live.LoadError](err); !ok || refusal.Code() != store.CodeRegressed {
			t.Errorf("after a push into it: %v, want %s", err, store.CodeRegressed)
		}
		i.exposes(t, 2)
	})

	restored, err := store.Restore(servertest.Context(t), publisher, units(t, 2), store.Lost{Epoch: last.Epoch, Revision: last.Revision}, store.Meta{})
	if err != nil || restored.Revision <= last.Revision {
		t.Fatalf("Restore: %+v, %v", restored, err)
	}
	both(func(i *instance) { i.awaitRelease(t, restored.Info) })
	last = push(t, publisher, units(t, 4))
	both(func(i *instance) {
		i.awaitRelease(t, last.Info)
		i.exposes(t, 4)
	})
}

// TestAnExhaustedQuota fills the store, and makes room again as the error says.
func TestAnExhaustedQuota(t *testing.T) {
	t.Parallel()
	cluster, publisher := startStore(t, 1, "--quota-backend-bytes", "4194304")
	push(t, publisher, units(t, 1))
	i := start(t, plan{store: open(t, cluster.URL(fleetName))})
	client, ctx := cluster.Client(), servertest.Context(t)
	var err error
	for n := 0; n < 200 && err == nil; n++ { // it looks at its size now and then
		_, err = client.Put(ctx, fmt.Sprint("filler/", n), strings.Repeat("x", 1<<20))
	}
	if err == nil {
		t.Fatal("the store takes more than its quota")
	}
	_, err = store.Push(ctx, publisher, units(t, 2), store.Meta{})
	if err == nil || !strings.Contains(err.Error(), "compact and defragment it, then disarm the alarm") {
		t.Errorf("Push: %v, want what to do about the quota", err)
	}
	before := i.source.Confirmed()
	servertest.Await(t, "an audit", func() bool { return i.source.Confirmed().After(before) })
	i.isReady(t, true)
	i.exposes(t, 1)

	if _, err := client.Delete(ctx, "filler/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	cluster.Compact()
	if _, err := client.Defragment(ctx, cluster.Members[0].Address); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	last := push(t, publisher, units(t, 2))
	i.awaitRelease(t, last.Info)
	i.exposes(t, 2)
}

// TestStartsWithoutTheStore starts two instances while the store is away.
func TestStartsWithoutTheStore(t *testing.T) {
	t.Parallel()
	cluster, publisher := startStore(t, 1)
	last := push(t, publisher, units(t, 1))
	folder := t.TempDir()
	first := start(t, plan{store: open(t, cluster.URL(fleetName)), state: folder})
	first.awaitRelease(t, last.Info)
	first.stop()
	cluster.Members[0].Kill()

	started := make(chan *instance, 1)
	go func() { started <- start(t, plan{store: open(t, cluster.URL(fleetName))}) }()
	kept := start(t, plan{store: open(t, cluster.URL(fleetName)), state: folder})
	kept.awaitRefusal(t, store.CodeUnreachable)
	if s := kept.Reloader.Status(); kept.first != nil || s.Release != last.Release || s.ServedFrom != live.FromState {
		t.Errorf("with a state: %v, serves %+v from %s", kept.first, s.Release, s.ServedFrom)
	}
	kept.isReady(t, true)
	kept.exposes(t, 1)
	if text, _ := kept.page(t, "/readyz"); !strings.Contains(text, "last known good") {
		t.Errorf("/readyz says %q", text)
	}
	empty := <-started
	if empty.first == nil || empty.refusal() != store.CodeUnreachable {
		t.Errorf("without a state: %v, refused with %q", empty.first, empty.refusal())
	}
	empty.isReady(t, false)

	cluster.Members[0].Start()
	cluster.Await()
	both := func(n int, want store.Info) {
		for _, i := range []*instance{kept, empty} {
			i.awaitRelease(t, want)
			i.isReady(t, true)
			i.exposes(t, n)
		}
	}
	both(1, last.Info)
	both(2, push(t, publisher, units(t, 2)).Info)
}

// TestKilledBetweenWritesOfTheState starts instances, while the store is away, with what
// one has left that was killed: what it had written up to some byte.
func TestKilledBetweenWritesOfTheState(t *testing.T) {
	t.Parallel()
	_, publisher := startStore(t, 1)
	pushed, folder := &ledger{hashes: map[string]bool{}}, t.TempDir()
	pushed.push(t, publisher, 1)
	i := start(t, plan{store: publisher, state: folder})
	var ends []int // of the state after each release
	for n, written := 1, (time.Time{}); n <= 4; n++ {
		i.awaitRelease(t, pushed.releases[n-1])
		servertest.Await(t, "the state", func() bool { return i.Reloader.Status().StateAt.After(written) })
		written = i.Reloader.Status().StateAt
		ends = append(ends, len(stateOf(t, folder)[1]))
		pushed.push(t, publisher, n+1)
	}
	i.awaitRelease(t, pushed.releases[4])
	i.stop()
	whole := stateOf(t, folder)
	away := &between{Backend: publisher, call: func(string) error { return errors.New("no route to host") }}
	for _, at := range cuts(ends) {
		left := t.TempDir()
		if err := os.WriteFile(filepath.Join(left, whole[0]), []byte(whole[1][:at]), 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0 // the last release that was written as a whole
		for n < len(ends) && ends[n] <= at {
			n++
		}
		i := start(t, plan{store: away, state: left})
		i.isReady(t, n > 0)
		if n > 0 {
			i.exposes(t, n)
			pushed.checkServed(t, i.all())
		}
		i.stop()
		i = start(t, plan{store: publisher, state: left})
		i.awaitRelease(t, pushed.releases[4])
		i.stop()
	}
}

// cuts are where a file is cut off: at each of its ends, right before and after it, and
// between.
func cuts(ends []int) (at []int) {
	begin := 0
	for _, end := range ends {
		at = append(at, begin+1, (begin+end)/2, end-1, end)
		begin = end
	}
	return at
}

// stateOf returns the name and the content of the only generation in a state folder.
func stateOf(t testing.TB, folder string) [2]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.state"))
	if err != nil || len(names) != 1 {
		t.Fatalf("generations: %v, %v", names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return [2]string{filepath.Base(names[0]), string(data)}
}
