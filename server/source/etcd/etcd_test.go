//go:build unix

package etcd_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// fleets counts the fleets of a cluster, so that each test has its own.
var fleets atomic.Int64

func newFleet(c *etcdtest.Cluster) string { return c.URL(fmt.Sprintf("fleet-%d", fleets.Add(1))) }

func open(t testing.TB, config etcd.Config) *etcd.Backend {
	t.Helper()
	b, err := etcd.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openUntilEnd is open, and closes at the end of the test.
func openUntilEnd(t testing.TB, config etcd.Config) *etcd.Backend {
	t.Helper()
	b := open(t, config)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// units returns the units of a policy with an age.
func units(age int) []policyfile.Unit {
	return storetest.UnitsOf(fmt.Sprintf("policies: [{name: api, cors: {allowOrigins: [\"https://app.example.com\"], maxAge: %d}}]", age))
}

func push(t testing.TB, b store.Backend, age int) store.Pushed {
	t.Helper()
	p, err := store.Push(servertest.Context(t), b, units(age), store.Meta{})
	if err != nil {
		t.Fatalf("Push: %v", err)
	}
	return p
}

func TestOnOneServer(t *testing.T) {
	c := etcdtest.Start(t, 1)
	t.Run("contract", func(t *testing.T) {
		storetest.Test(t, func(t *testing.T) func() store.Backend {
			url := newFleet(c)
			return func() store.Backend { return open(t, etcd.Config{URL: url}) }
		})
	})
	t.Run("source", func(t *testing.T) { sourceKeepsItsContract(t, c) })
	t.Run("fleets", func(t *testing.T) { fleetsAreApart(t, c) })
	t.Run("announcing", func(t *testing.T) { announcingAgainCostsNothing(t, c) })
	t.Run("compaction", func(t *testing.T) { watchesGoOnAfterACompaction(t, c) })
	t.Run("loss", func(t *testing.T) { anOlderStoreIsNotFollowed(t, c) })
	t.Run("quota", func(t *testing.T) { aFullStoreSaysSo(t) })
}

func sourceKeepsItsContract(t *testing.T, c *etcdtest.Cluster) {
	storetest.TestSource(t, func(t *testing.T) store.Backend { return openUntilEnd(t, etcd.Config{URL: newFleet(c)}) })
}

// fleetsAreApart has names of which one begins with the other.
func fleetsAreApart(t *testing.T, c *etcdtest.Cluster) {
	a, b := openUntilEnd(t, etcd.Config{URL: c.URL("edge")}), openUntilEnd(t, etcd.Config{URL: c.URL("edge-eu")})
	push(t, a, 1)
	if now, err := store.Current(t.Context(), b); err != nil || now.Revision != 0 {
		t.Errorf("a fleet has another one's release: %+v, %v", now, err)
	}
	listed, err := b.List(t.Context(), "")
	if err != nil || len(listed) > 0 {
		t.Errorf("a fleet has another one's objects: %v, %v", listed, err)
	}
	got, err := c.Client().Get(t.Context(), "/corsgate/v1/edge/w/target")
	if err != nil || len(got.Kvs) != 1 {
		t.Errorf("the target is not at its key: %v, %v", got, err)
	}
}

// announcingAgainCostsNothing holds renewals to the revision, which each write raises.
func announcingAgainCostsNothing(t *testing.T, c *etcdtest.Cluster) {
	b, client := openUntilEnd(t, etcd.Config{URL: newFleet(c)}), c.Client()
	revision := func() int64 {
		res, err := client.Get(servertest.Context(t), "x")
		if err != nil {
			t.Fatal(err)
		}
		return res.Header.Revision
	}
	announce := func(value string) {
		if err := b.Announce(servertest.Context(t), "i/now/a", []byte(value), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	announce("1")
	first := revision()
	announce("1")
	announce("1")
	if now := revision(); now != first {
		t.Errorf("announcing the same again has made %d revisions", now-first)
	}
	// What was lost meanwhile is put again: the lease, the object, or its value.
	leases, err := client.Leases(servertest.Context(t))
	if err != nil || len(leases.Leases) == 0 {
		t.Fatalf("leases: %v, %v", leases, err)
	}
	for _, l := range leases.Leases {
		if _, err := client.Revoke(servertest.Context(t), l.ID); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string) {
		t.Helper()
		announce("1")
		if got, err := b.Get(servertest.Context(t), "i/now/a"); err != nil || len(got) != 1 || string(got[0].Value) != "1" {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	expect("after the loss of the lease")
	if err := b.Delete(servertest.Context(t), []store.Object{{Key: "i/now/a"}}); err != nil {
		t.Fatal(err)
	}
	expect("after the loss of the object")
	if err := b.Put(servertest.Context(t), []store.Object{{Key: "i/now/a", Value: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	expect("after the loss of the value")
}

// watchesGoOnAfterACompaction compacts what a watch has seen, and what one is to begin
// with.
func watchesGoOnAfterACompaction(t *testing.T, c *etcdtest.Cluster) {
	b := openUntilEnd(t, etcd.Config{URL: newFleet(c)})
	push(t, b, 1)
	s := &store.Source{Backend: b}
	if _, err := s.Read(servertest.Context(t)); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		push(t, b, int(fleets.Add(1)))
	}
	c.Compact()
	told := make(chan struct{}, 100)
	servertest.Run(t, func(ctx context.Context) error {
		return s.Watch(ctx, func() { told <- struct{}{} })
	})
	await := func(revision uint64) {
		t.Helper()
		servertest.Await(t, "a revision", func() bool {
			<-told
			r, err := s.Read(servertest.Context(t))
			return err == nil && r.Release.Revision == revision
		})
	}
	await(21)
	push(t, b, 1)
	await(22)
	c.Compact()
	ended, targets := make(chan error, 1), make(chan struct{}, 100)
	go func() {
		ended <- b.Watch(servertest.Context(t), "w/target", func([]byte) { targets <- struct{}{} })
	}()
	<-targets
	push(t, b, 2)
	await(23)
	select {
	case <-targets:
	case err := <-ended:
		t.Errorf("Watch after a compaction: %v", err)
	}
}

// anOlderStoreIsNotFollowed takes a copy of an etcd back.
func anOlderStoreIsNotFollowed(t *testing.T, c *etcdtest.Cluster) {
	b := openUntilEnd(t, etcd.Config{URL: newFleet(c)})
	s := &store.Source{Backend: b}
	push(t, b, 1)
	saved := c.Snapshot()
	push(t, b, 2)
	r, err := s.Read(servertest.Context(t))
	if err != nil || r.Release.Revision != 2 {
		t.Fatalf("Read: %+v, %v", r.Release, err)
	}
	c.Restore(saved)
	_, err = s.Read(servertest.Context(t))
	if code := codeOf(err); code != store.CodeRegressed {
		t.Errorf("Read of an older store: %s", code)
	}
	lost := store.Lost{Epoch: r.Release.Epoch, Revision: r.Release.Revision}
	if _, err := store.Restore(servertest.Context(t), b, units(2), lost, store.Meta{}); err != nil {
		t.Fatal(err)
	}
	if r, err = s.Read(servertest.Context(t)); err != nil || r.Release.Revision != 3 {
		t.Errorf("Read of what was restored: %+v, %v", r.Release, err)
	}
}
