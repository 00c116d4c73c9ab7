// Package storetest tests that a backend of a store does what [store.Backend] says.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
)

// Test tests backends. Each test has an empty one of open, which may be called again
// for a second one of the same objects.
func Test(t *testing.T, newFleet func(t *testing.T) (open func() store.Backend)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, f *fleet)
	}{
		{"Get returns what was put", getsWhatWasPut},
		{"List is sorted", listIsSorted},
		{"Put takes any number", putsMany},
		{"Put takes large objects", putsLarge},
		{"Put gives another version", putsAgain},
		{"Swap puts all or nothing", swaps},
		{"Swap has one winner", swapHasOneWinner},
		{"Swap shows all at once", swapShowsAllAtOnce},
		{"Delete deletes a version", deletes},
		{"Delete takes any number", deletesMany},
		{"Watch tells what is there", watchTells},
		{"Watch tells the last of many changes", watchTellsTheLast},
		{"Watch tells each watcher", watchTellsAll},
		{"Announce ends", announceEnds},
		{"Announce lasts while it is renewed", announceLasts},
		{"Calls end with their context", callsEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // some wait for what ends
			c.test(t, &fleet{t: t, open: newFleet(t)})
		})
	}
}

// fleet opens backends of the same objects.
type fleet struct {
	t    *testing.T
	open func() store.Backend
}

func (f *fleet) backend() store.Backend {
	b := f.open()
	f.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			f.t.Errorf("Close: %v", err)
		}
	})
	return b
}

func object(key, value string) store.Object { return store.Object{Key: key, Value: []byte(value)} }

func put(t testing.TB, b store.Backend, objects ...store.Object) {
	t.Helper()
	if err := b.Put(servertest.Context(t), objects); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// get returns the objects of keys as "key=value", sorted.
func get(t testing.TB, b store.Backend, keys ...string) []string {
	t.Helper()
	objects, err := b.Get(servertest.Context(t), keys...)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	var got []string
	for _, o := range objects {
		got = append(got, o.Key+"="+string(o.Value))
	}
	slices.Sort(got)
	return got
}

func expect(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// version returns the version of an object as Get tells it; List has to tell the same.
func version(t testing.TB, b store.Backend, key string) string {
	t.Helper()
	got, err := b.Get(servertest.Context(t), key)
	listed, err2 := b.List(servertest.Context(t), key)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		return ""
	}
	if got[0].Version == "" || len(listed) == 0 || listed[0].Version != got[0].Version {
		t.Errorf("%s has version %q for Get, and List says %v", key, got[0].Version, listed)
	}
	return got[0].Version
}

func list(t testing.TB, b store.Backend, prefix string) []string {
	t.Helper()
	objects, err := b.List(servertest.Context(t), prefix)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	var keys []string
	for _, o := range objects {
		if o.Value != nil {
			t.Errorf("List has the value of %s", o.Key)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

func getsWhatWasPut(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	expect(t, "Get of nothing", get(t, a, "w/target", "u/1"))
	expect(t, "Get of no keys", get(t, a))
	put(t, a)
	put(t, a, object("u/1", "one"), object("u/2", ""), object("w/target", "\x00\xff"))
	expect(t, "Get", get(t, b, "u/1", "u/2", "u/3", "w/target"), "u/1=one", "u/2=", "w/target=\x00\xff")
	put(t, b, object("u/1", "other"))
	expect(t, "Get of a new value", get(t, a, "u/1"), "u/1=other")
}

func listIsSorted(t *testing.T, f *fleet) {
	b := f.backend()
	expect(t, "List of nothing", list(t, b, "u/"))
	put(t, b, object("c/1-b/index", ""), object("c/1-a/2", ""), object("c/1-a/10", ""), object("c/1/x", ""), object("c/1-a-b", ""), object("u/c/1", ""), object("ca", ""))
	expect(t, "List", list(t, b, "c/"), "c/1-a-b", "c/1-a/10", "c/1-a/2", "c/1-b/index", "c/1/x")
	expect(t, "List of a part of a name", list(t, b, "c/1-a"), "c/1-a-b", "c/1-a/10", "c/1-a/2")
	expect(t, "List of another prefix", list(t, b, "d/"))
}

// many is beyond what any store does at once.
const many = 1234

func numbered(i int) store.Object { return object(fmt.Sprintf("u/%05d", i), fmt.Sprint(i)) }

func putMany(t *testing.T, b store.Backend) {
	t.Helper()
	var objects []store.Object
	for i := range many {
		objects = append(objects, numbered(i))
	}
	put(t, b, objects...)
}

func putsMany(t *testing.T, f *fleet) {
	b := f.backend()
	putMany(t, b)
	var keys []string
	for i := range many {
		keys = append(keys, numbered(i).Key)
	}
	expect(t, "List of many", list(t, b, "u/"), keys...)
	if got := get(t, b, keys...); len(got) != many || got[many-1] != fmt.Sprintf("u/%05d=%d", many-1, many-1) {
		t.Errorf("Get of %d objects returns %d", many, len(got))
	}
}

func putsLarge(t *testing.T, f *fleet) {
	b := f.backend()
	value := bytes.Repeat([]byte("0123456789abcdef"), store.MaxUnit/16)
	put(t, b, object("u/1", string(value)), object("u/2", "small"), object("u/3", string(value)), object("u/4", string(value)))
	for _, key := range []string{"u/1", "u/3", "u/4"} {
		if got := get(t, b, "u/2", key); !slices.Equal(got, sorted("u/2=small", key+"="+string(value))) {
			t.Errorf("Get of %s is not what was put", key)
		}
	}
}

func sorted(texts ...string) []string { slices.Sort(texts); return texts }

func putsAgain(t *testing.T, f *fleet) {
	b := f.backend()
	seen := map[string]bool{"": true}
	for range 20 {
		put(t, b, object("u/1", "same"))
		v := version(t, b, "u/1")
		if seen[v] {
			t.Fatalf("the version %q is not new", v)
		}
		if again := version(t, b, "u/1"); again != v {
			t.Fatalf("the version %q has become %q by itself", v, again)
		}
		seen[v] = true
	}
}

func swap(t testing.TB, b store.Backend, version, value string, more ...store.Object) (ok bool) {
	t.Helper()
	ok, err := b.Swap(servertest.Context(t), append([]store.Object{{Key: "w/target", Value: []byte(value), Version: version}}, more...))
	if err != nil {
		t.Fatalf("Swap: %v", err)
	}
	return ok
}

func swaps(t *testing.T, f *fleet) {
	b := f.backend()
	if swap(t, b, "12345", "0", object("w/log/0", "")) {
		t.Error("swapped what does not exist")
	}
	expect(t, "after a swap in vain", list(t, b, ""))
	if !swap(t, b, "", "1", object("w/log/1", "one")) {
		t.Fatal("not swapped, and nothing was there")
	}
	first := version(t, b, "w/target")
	if swap(t, b, "", "2", object("w/log/2", "two")) {
		t.Error("swapped as if nothing was there")
	}
	if !swap(t, b, first, "3", object("w/log/3", "three")) {
		t.Error("not swapped with the present version")
	}
	if swap(t, b, first, "4", object("w/log/4", "four")) {
		t.Error("swapped with an old version")
	}
	expect(t, "after all", get(t, b, "w/target", "w/log/1", "w/log/2", "w/log/3", "w/log/4"), "w/log/1=one", "w/log/3=three", "w/target=3")
}

func swapHasOneWinner(t *testing.T, f *fleet) {
	backends := []store.Backend{f.backend(), f.backend(), f.backend()}
	for round := range 10 {
		before := version(t, backends[0], "w/target")
		var won atomic.Int32
		var racers sync.WaitGroup
		for i, b := range backends {
			racers.Go(func() {
				name := fmt.Sprintf("%d-%d", round, i)
				if swap(t, b, before, name, object("w/log/"+name, name)) {
					won.Add(1)
				}
			})
		}
		racers.Wait()
		winners := slices.DeleteFunc(list(t, backends[0], "w/log/"), func(key string) bool { return !strings.HasPrefix(key, fmt.Sprintf("w/log/%d-", round)) })
		if won.Load() != 1 || len(winners) != 1 {
			t.Fatalf("%d swaps succeeded, and %q are there", won.Load(), winners)
		}
		expect(t, "the winner's", get(t, backends[1], "w/target"), "w/target="+strings.TrimPrefix(winners[0], "w/log/"))
	}
}

// swapShowsAllAtOnce looks for an object that the target names as soon as that does.
func swapShowsAllAtOnce(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			for _, found := range get(t, b, "w/target") {
				_, value, _ := strings.Cut(found, "=")
				expect(t, "what the target names", get(t, b, "w/log/"+value), "w/log/"+value+"=x")
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range 50 {
		swap(t, a, version(t, a, "w/target"), fmt.Sprint(i), object(fmt.Sprintf("w/log/%d", i), "x"))
	}
	close(done)
	looking.Wait()
}

func remove(t testing.TB, b store.Backend, objects ...store.Object) {
	t.Helper()
	if err := b.Delete(servertest.Context(t), objects); err != nil {
		t.Fatalf("Delete: %v", err)
	}
}

func deletes(t *testing.T, f *fleet) {
	b := f.backend()
	put(t, b, object("u/1", ""), object("u/2", ""), object("u/3", ""))
	old := []store.Object{{Key: "u/1", Version: version(t, b, "u/1")}, {Key: "u/2", Version: version(t, b, "u/2")}, {Key: "u/4", Version: version(t, b, "u/2")}}
	put(t, b, object("u/2", ""))
	remove(t, b)
	remove(t, b, old...)
	expect(t, "what has the version is deleted, and what was put since is not", list(t, b, "u/"), "u/2", "u/3")
	remove(t, b, store.Object{Key: "u/3"}, store.Object{Key: "u/4"})
	expect(t, "without a version any is deleted", list(t, b, "u/"), "u/2")
	put(t, b, object("u/1", "back"))
	expect(t, "what was deleted can be put again", get(t, b, "u/1"), "u/1=back")
}

func deletesMany(t *testing.T, f *fleet) {
	b := f.backend()
	putMany(t, b)
	objects, err := b.List(servertest.Context(t), "u/")
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, numbered(7), numbered(700))
	remove(t, b, objects...)
	expect(t, "what was put since", list(t, b, "u/"), numbered(7).Key, numbered(700).Key)
}

// watch watches w/target until the test ends; what is told comes to the channel.
func watch(t *testing.T, b store.Backend) <-chan string {
	t.Helper()
	told := make(chan string, 1000)
	servertest.Run(t, func(ctx context.Context) error {
		return b.Watch(ctx, "w/target", func(value []byte) {
			if value == nil {
				told <- "nothing"
			} else {
				told <- string(value)
			}
		})
	})
	return told
}

// awaitTold waits until that is told, and returns what was told before.
func awaitTold(t *testing.T, told <-chan string, want string) (before []string) {
	t.Helper()
	patience := time.After(servertest.Patience)
	for {
		select {
		case got := <-told:
			if got == want {
				return before
			}
			before = append(before, got)
		case <-patience:
			t.Fatalf("waited in vain for %q, got %q", want, before)
		}
	}
}

func watchTells(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	told := watch(t, a)
	expect(t, "told first", awaitTold(t, told, "nothing"))
	put(t, b, object("w/targets", "x"), object("w/targe", "x"))
	swap(t, b, "", "1", object("w/log/1", "x"))
	expect(t, "told of a change", awaitTold(t, told, "1"))
	expect(t, "told who comes later", awaitTold(t, watch(t, b), "1"))
	put(t, b, object("w/target", "2"))
	expect(t, "told of the next change", awaitTold(t, told, "2"))
	remove(t, b, store.Object{Key: "w/target"})
	expect(t, "told that it is deleted", awaitTold(t, told, "nothing"))
	put(t, b, object("w/target", ""))
	expect(t, "told that it is empty", awaitTold(t, told, ""))
}

func watchTellsTheLast(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	told := watch(t, a)
	for i := range 100 {
		put(t, b, object("w/target", fmt.Sprintf("%03d", i)))
	}
	before := slices.DeleteFunc(awaitTold(t, told, "099"), func(s string) bool { return s == "nothing" })
	if !slices.IsSorted(before) {
		t.Errorf("told out of order: %q", before)
	}
}

func watchTellsAll(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	watchers := []<-chan string{watch(t, a), watch(t, a), watch(t, b)}
	put(t, b, object("w/target", "1"))
	for _, told := range watchers {
		awaitTold(t, told, "1")
	}
}

func announce(t testing.TB, b store.Backend, key, value string, ttl time.Duration) {
	t.Helper()
	if err := b.Announce(servertest.Context(t), key, []byte(value), ttl); err != nil {
		t.Fatalf("Announce: %v", err)
	}
}

// briefly is the least time that every store can announce something for.
const briefly = 2 * time.Second

func announceEnds(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	announce(t, a, "i/now/a", "1", briefly)
	announce(t, a, "i/now/b", "1", time.Hour)
	announce(t, a, "i/now/c", "1", time.Hour)
	remove(t, b, store.Object{Key: "i/now/c"})
	servertest.Await(t, "the end of what was announced", func() bool { return slices.Equal(list(t, b, "i/"), []string{"i/now/b"}) })
	expect(t, "what was announced for long", get(t, b, "i/now/a", "i/now/b"), "i/now/b=1")
	announce(t, a, "i/now/a", "2", time.Hour)
	announce(t, a, "i/now/c", "2", time.Hour)
	expect(t, "announced after its end", get(t, b, "i/now/a", "i/now/c"), "i/now/a=2", "i/now/c=2")
}

func announceLasts(t *testing.T, f *fleet) {
	a, b := f.backend(), f.backend()
	announce(t, a, "i/now/b", "1", briefly)
	for i := 0; len(list(t, b, "i/now/b")) > 0; i++ {
		announce(t, a, "i/now/a", fmt.Sprint(i/10), time.Hour)
		expect(t, "announced again", get(t, b, "i/now/a"), fmt.Sprintf("i/now/a=%d", i/10))
		time.Sleep(20 * time.Millisecond)
	}
	announce(t, b, "i/now/a", "of another", time.Hour)
	expect(t, "announced by another", get(t, a, "i/now/a"), "i/now/a=of another")
}

func callsEnd(t *testing.T, f *fleet) {
	b := f.backend()
	put(t, b, object("w/target", "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Get":  func() error { _, err := b.Get(ctx, "w/target"); return err },
		"List": func() error { _, err := b.List(ctx, "w/"); return err },
		"Put":  func() error { return b.Put(ctx, []store.Object{object("w/target", "2")}) },
		"Swap": func() error {
			_, err := b.Swap(ctx, []store.Object{object("w/other", "2")})
			return err
		},
		"Delete":   func() error { return b.Delete(ctx, []store.Object{{Key: "w/target"}}) },
		"Announce": func() error { return b.Announce(ctx, "i/now/a", nil, time.Hour) },
	} {
		if err := call(); err == nil {
			t.Errorf("%s: no error, and its context has ended", name)
		}
	}
	if err := b.Watch(ctx, "w/target", func([]byte) {}); err != nil {
		t.Errorf("Watch: %v, want nil when its context ends", err)
	}
	expect(t, "what was there", get(t, b, "w/target", "w/other", "i/now/a"), "w/target=1")
}
