package store_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

func collect(t testing.TB, b store.Backend, keep int) store.Collected {
	t.Helper()
	c, err := store.GC(servertest.Context(t), b, keep, false)
	if err != nil {
		t.Fatalf("GC: %v", err)
	}
	return c
}

func TestGCKeepsTheNewestReleases(t *testing.T) {
	for _, keep := range []int{1, 3, 60, 99, 200} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			m := &storetest.Memory{}
			for i := range 99 {
				push(t, m, policies(t, i, i/2, 1), store.Meta{})
			}
			before := objects(t, m)
			dry, err := store.GC(t.Context(), m, keep, true)
			if err != nil || len(objects(t, m)) != len(before) {
				t.Errorf("a dry run: %v, %d objects have become %d", err, len(before), len(objects(t, m)))
			}
			c := collect(t, m, keep)
			oldest := uint64(max(1, 100-keep))
			if c.Kept != oldest || c.Pushing || dry.Records != c.Records || dry.Kept != c.Kept || dry.Units > c.Units {
				t.Errorf("collected %+v, the dry run said %+v", c, dry)
			}
			for _, revision := range []uint64{1, oldest - 1, oldest, min(oldest+1, 99), 99} {
				switch {
				case revision == 0:
					continue
				case revision < oldest:
					if _, err := store.Pull(t.Context(), m, revision); err == nil || !strings.Contains(err.Error(), "any more") {
						t.Errorf("Pull of revision %d, which was collected: %v", revision, err)
					}
				default:
					i := int(revision) - 1
					expectContent(t, m, revision, policies(t, i, i/2, 1))
				}
			}
			history, err := store.History(t.Context(), m, 0)
			if err != nil || len(history) != min(keep, 99) {
				t.Errorf("History: %d releases, %v", len(history), err)
			}
			if again := collect(t, m, keep); again != (store.Collected{Kept: c.Kept}) {
				t.Errorf("collected once more: %+v", again)
			}
			if again := collect(t, m, keep+5); again != (store.Collected{Kept: c.Kept}) {
				t.Errorf("collected once more, to keep more than there is: %+v", again)
			}
			push(t, m, policies(t, 7), store.Meta{})
			read(t, &store.Source{Backend: m})
		})
	}
}

// TestGCKeepsLongLists is about what a record and a checkpoint do not list themselves.
func TestGCKeepsLongLists(t *testing.T) {
	m := memory(t, 1, 2)
	ages := make([]int, 2500)
	many := policies(t, ages...)
	for _, units := range [][]policyfile.Unit{many, many[:2400], policies(t, 1)} {
		push(t, m, units, store.Meta{})
	}
	collect(t, m, 3)
	expectContent(t, m, 3, many)
	expectContent(t, m, 4, many[:2400])
	expectContent(t, m, 5, policies(t, 1))
}

func TestGCDeletesWhatNothingLeadsTo(t *testing.T) {
	m := memory(t, 1, 2)
	before := objects(t, m)
	for _, key := range []string{"u/" + strings.Repeat("0", 64), "w/log/0000000000000002-0123456789abcdef", "w/log/0000000000000009-0123456789abcdef", "c/0000000000000002-0123456789abcdef/index", "c/0000000000000001-0123456789abcdef/000000"} {
		put(t, m, key, nil)
	}
	if c := collect(t, m, 10); c != (store.Collected{Records: 2, Units: 1, Checkpoints: 1, Kept: 1}) {
		t.Errorf("collected %+v", c)
	}
	if after := objects(t, m); len(after) != len(before) {
		t.Errorf("%d objects have become %d", len(before), len(after))
	}
	_, err := store.GC(t.Context(), &storetest.Memory{}, 1, false)
	expectCode(t, "GC of an empty store", err, store.CodeEmpty)
	if _, err := store.GC(t.Context(), m, 0, false); err == nil || !strings.Contains(err.Error(), "at least 1") {
		t.Errorf("GC of all: %v", err)
	}
}

// TestGCWaitsForPushes is about one that was broken off, too.
func TestGCWaitsForPushes(t *testing.T) {
	m := memory(t, 1, 2, 3)
	if err := m.Announce(t.Context(), "p/1", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	if c := collect(t, m, 1); !c.Pushing || len(keys(t, m, "w/log/")) != 3 {
		t.Errorf("collected %+v during a push", c)
	}
	remove(t, m, "p/1")
	if c := collect(t, m, 1); c.Pushing || c.Kept != 3 {
		t.Errorf("collected %+v", c)
	}
	if left := keys(t, m, "p/"); len(left) > 0 {
		t.Errorf("pushes have left %q", left)
	}
}

// TestOfTwoCollectionsOneDeletes has each wait until both have said that they are there.
func TestOfTwoCollectionsOneDeletes(t *testing.T) {
	m := memory(t, 1, 2, 3)
	var ready, all sync.WaitGroup
	ready.Add(2)
	for range 2 {
		b := &tampered{Backend: m, after: func(call string) error {
			if call == "Announce" {
				ready.Done()
				ready.Wait()
			}
			return nil
		}}
		all.Go(func() {
			// The first to end leaves the other alone, which may then delete.
			if _, err := store.GC(servertest.Context(t), b, 1, false); err != nil {
				t.Errorf("GC: %v", err)
			}
		})
	}
	all.Wait()
	read(t, &store.Source{Backend: m})
	collect(t, m, 1)
	read(t, &store.Source{Backend: m})
	if left := keys(t, m, "p/"); len(left) > 0 {
		t.Errorf("collections have left %q", left)
	}
}

// TestGCTakesNothingOfAPush stops a collection before each of its calls, and has a
// rollback begin and come to a call of its own, which it makes when the collection has
// ended.
func TestGCTakesNothingOfAPush(t *testing.T) {
	for _, call := range []string{"Put", "Swap"} {
		t.Run(call, func(t *testing.T) { takesNothingOfAPush(t, call) })
	}
}

func takesNothingOfAPush(t *testing.T, last string) {
	for stop := range 30 {
		m := memory(t, 1, 2, 3)
		var pushing, resumed sync.WaitGroup
		calls, stopped := 0, make(chan struct{})
		stopping := sync.OnceFunc(func() { close(stopped) })
		slow := &tampered{Backend: m, before: func(call string) error {
			if call == last {
				stopping()
				resumed.Wait()
			}
			return nil
		}}
		gc := &tampered{Backend: m, before: func(string) error {
			if calls++; calls == stop+1 {
				pushing.Go(func() {
					defer stopping() // what it needs may be gone
					_, _ = store.Rollback(servertest.Context(t), slow, 1, store.Meta{})
				})
				<-stopped
			}
			return nil
		}}
		resumed.Add(1)
		_, err := store.GC(servertest.Context(t), gc, 1, false)
		resumed.Done()
		pushing.Wait()
		if err != nil {
			t.Errorf("GC with a push before call %d: %v", stop, err)
		}
		read(t, &store.Source{Backend: m})
		collect(t, m, 1) // whose checkpoint needs each unit by itself
		read(t, &store.Source{Backend: m})
		if calls <= stop {
			if stop < 6 {
				t.Errorf("GC makes only %d calls", calls)
			}
			return
		}
	}
	t.Error("GC does not end")
}

// TestGCTakesNothingOfAReader has a collection come before each call of who reads what
// stays, and who begins with what goes.
func TestGCTakesNothingOfAReader(t *testing.T) {
	whole, _ := long(t)
	base, err := store.Current(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(b store.Backend) error{
		"Pull":    func(b store.Backend) error { _, err := store.Pull(t.Context(), b, base.Revision-1); return err },
		"History": func(b store.Backend) error { _, err := store.History(t.Context(), b, 0); return err },
		"ReadFleet": func(b store.Backend) error {
			f, err := store.ReadFleet(t.Context(), b)
			return cmp.Or(err, damageOf(f))
		},
		"Rollback": func(b store.Backend) error {
			p, err := store.Rollback(t.Context(), b, base.Revision-1, store.Meta{})
			return cmp.Or(err, p.Checkpoint)
		},
	} {
		for stop := 1; ; stop++ {
			m, calls := whole.Copy(), 0
			b := &tampered{Backend: m, before: func(string) error {
				if calls++; calls == stop {
					for _, key := range keys(t, m, "p/") { // which it may have looked for before
						remove(t, m, key)
					}
					collect(t, m, 2)
				}
				return nil
			}}
			if err := read(b); err != nil {
				t.Errorf("%s with a collection before call %d: %v", name, stop, err)
			}
			if calls < stop {
				break
			}
		}
	}
}

func damageOf(f store.Fleet) error {
	if f.Damaged == nil {
		return nil
	}
	return f.Damaged
}

// TestGCBesidePushes has both go on at the same time.
func TestGCBesidePushes(t *testing.T) {
	m := memory(t, 1)
	done := make(chan struct{})
	var collecting sync.WaitGroup
	collecting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				collect(t, m, 2)
			}
		}
	})
	for i := range 100 {
		push(t, m, policies(t, i%3, i%2), store.Meta{})
		expectContent(t, m, 0, policies(t, i%3, i%2))
	}
	close(done)
	collecting.Wait()
}

// hangingDelete is a backend that deletes nothing, and does not say so.
type hangingDelete struct{ store.Backend }

func (hangingDelete) Delete(ctx context.Context, _ []store.Object) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestGCOfAStoreThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1, 2, 3)
		for name, b := range map[string]store.Backend{"what deletes": hangingDelete{m}, "what reads": &hanging{m}} {
			for _, dry := range []bool{false, true} {
				if dry && name == "what deletes" {
					continue
				}
				begun := time.Now()
				_, err := store.GC(context.Background(), b, 1, dry)
				expectCode(t, name, err, store.CodeUnreachable)
				if d := time.Since(begun); d > time.Minute {
					t.Errorf("%s: it took %v", name, d)
				}
			}
		}
	})
}
