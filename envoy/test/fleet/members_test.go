//go:build unix

package fleet

import (
	"os"
	"slices"
	"testing"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
)

// pick returns whole if CORSGATE_TEST=full asks for all tests, else short.
func pick(whole, short int) int {
	if os.Getenv("CORSGATE_TEST") == "full" {
		return whole
	}
	return short
}

// ledger has what was pushed.
type ledger struct {
	hashes   map[string]bool // of the policies of all that may have been pushed
	releases []store.Info    // that were acknowledged
}

// TestKilledMembers kills each of three members in turn while there are pushes.
func TestKilledMembers(t *testing.T) {
	t.Parallel()
	cluster, publisher := startStore(t, 3)
	pushed := &ledger{hashes: map[string]bool{}}
	next := 1
	pushSome := func(n int) {
		for range n {
			pushed.push(t, publisher, next)
			next++
		}
	}
	pushSome(1)
	var instances []*instance
	for range 2 {
		instances = append(instances, start(t, plan{store: open(t, cluster.URL(fleetName)), state: t.TempDir()}))
	}
	each := pick(200, 30)/6 + 1
	for _, m := range cluster.Members {
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			m.Kill()
		}()
		pushSome(each) // while it dies, and is dead
		<-killed
		m.Start()
		pushSome(each) // while it comes back
		cluster.Await()
	}
	last := pushed.releases[len(pushed.releases)-1]
	for _, i := range instances {
		i.awaitRelease(t, last)
		i.exposes(t, next-1)
		pushed.checkServed(t, i.all())
	}
	pushed.checkHistory(t, publisher)
}

// push pushes until that is acknowledged.
func (l *ledger) push(t *testing.T, b store.Backend, n int) {
	t.Helper()
	u := units(t, n)
	l.hashes[hashOf(t, u)] = true
	servertest.Await(t, "a push", func() bool {
		p, err := store.Push(servertest.Context(t), b, u, store.Meta{})
		if err != nil {
			t.Logf("push %d: %v", n, err)
			return false
		}
		l.releases = append(l.releases, p.Info)
		return true
	})
}

// checkServed checks that only what was pushed has served, and never an older revision
// after a newer one.
func (l *ledger) checkServed(t *testing.T, all []served) {
	t.Helper()
	for i, s := range all {
		if !l.hashes[s.Hash] {
			t.Errorf("revision %d has served, and its policies were never pushed", s.Revision)
		}
		if i > 0 && s.Epoch == all[i-1].Epoch && s.Revision < all[i-1].Revision {
			t.Errorf("revision %d has served after %d", s.Revision, all[i-1].Revision)
		}
	}
}

// checkHistory checks that nothing that was acknowledged is lost.
func (l *ledger) checkHistory(t *testing.T, b store.Backend) {
	t.Helper()
	history, err := store.History(servertest.Context(t), b, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range l.releases {
		if !slices.ContainsFunc(history, func(got store.Info) bool { return got.Release == want.Release && got.Hash == want.Hash }) {
			t.Errorf("revision %d was acknowledged, and is lost", want.Revision)
		}
	}
}

// TestAStoreThatHangs has a store hang, which breaks no connection.
func TestAStoreThatHangs(t *testing.T) {
	t.Parallel()
	cluster, publisher := startStore(t, 1)
	push(t, publisher, units(t, 1))
	i := start(t, plan{store: open(t, cluster.URL(fleetName))})
	i.exposes(t, 1)
	const age = 15 // above what an audit may take
	cluster.Members[0].Stop()
	servertest.Await(t, "a high age", func() bool { return i.sourceAge(t) > age })
	if s := i.Reloader.Status(); s.Release.Revision != 1 || s.ServedFrom != live.FromSource {
		t.Errorf("serves %+v from %s", s.Release, s.ServedFrom)
	}
	i.isReady(t, true)
	i.exposes(t, 1)
	cluster.Members[0].Continue()
	pushed := &ledger{hashes: map[string]bool{}}
	pushed.push(t, publisher, 2)
	i.awaitRelease(t, pushed.releases[0])
	i.exposes(t, 2)
	servertest.Await(t, "a low age again", func() bool { return i.sourceAge(t) < age })
}

func (i *instance) sourceAge(t testing.TB) float64 {
	t.Helper()
	return i.metric(t, "corsgate_source_age_seconds")
}
