package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// reported returns what the instances report, an instance a line.
func reported(t *testing.T, b store.Backend) string {
	t.Helper()
	instances, err := store.Instances(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, i := range instances {
		lines = append(lines, fmt.Sprint(i.Name, " ", i.Serves.Revision, " ", i.Ready, i.Silent, i.Unreadable != ""))
	}
	return strings.Join(lines, "\n")
}

// running is a Reporter that runs.
type running struct {
	revision atomic.Uint64
	failed   atomic.Int64
	stop     func()
}

// report has an instance report that it serves revision 1.
func report(t *testing.T, b store.Backend, name string, jitter time.Duration) *running {
	t.Helper()
	r := &running{}
	r.revision.Store(1)
	reporter := &store.Reporter{
		Backend: b, Jitter: jitter,
		Report: func() store.Instance {
			return store.Instance{Name: name, Ready: true, Serves: live.Release{Revision: r.revision.Load()}}
		},
		Failed: func(error) { r.failed.Add(1) },
	}
	r.stop = servertest.Run(t, reporter.Run)
	return r
}

func expectReported(t *testing.T, what string, b store.Backend, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := reported(t, b); got != strings.Join(want, "\n") {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestInstancesReportThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		a, b := report(t, m, "gw-a", 0), report(t, m, "gw-b", -1)
		time.Sleep(store.DefaultJitter + time.Second)
		expectReported(t, "at first", m, "gw-a 1 true false false", "gw-b 1 true false false")
		b.revision.Store(2)
		time.Sleep(time.Second)
		expectReported(t, "after a change", m, "gw-a 1 true false false", "gw-b 2 true false false")
		time.Sleep(time.Hour)
		expectReported(t, "after an hour", m, "gw-a 1 true false false", "gw-b 2 true false false")
		a.stop()
		expectReported(t, "when one has ended", m, "gw-b 2 true false false")
		b.stop()
		expectReported(t, "when all have ended", m)
	})
}

func TestAnInstanceThatDoesNotReportIsSilentForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		var lost atomic.Bool
		b := &tampered{Backend: m, before: func(string) error {
			if lost.Load() {
				return errors.New("no route to host")
			}
			return nil
		}}
		r := report(t, b, "gw", -1)
		time.Sleep(time.Second)
		lost.Store(true)
		r.revision.Store(2)
		time.Sleep(2 * time.Minute)
		expectReported(t, "while the store is away", m, "gw 1 true true false")
		if r.failed.Load() == 0 {
			t.Error("nobody was told that reports fail")
		}
		lost.Store(false)
		time.Sleep(5 * time.Second)
		expectReported(t, "when it is back", m, "gw 2 true false false")
		lost.Store(true)
		r.stop()
		expectReported(t, "when it could not say that it has ended", m, "gw 2 true false false")
		time.Sleep(2 * time.Minute)
		expectReported(t, "after minutes", m, "gw 2 true true false")
		time.Sleep(25 * time.Hour)
		expectReported(t, "after a day", m)
	})
}

// TestTwoProcessesOfOneNameAreTold has one end later, and another one take its place.
func TestTwoProcessesOfOneNameAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		begin := func(b store.Backend) (told *atomic.Int64, stop func()) {
			told = &atomic.Int64{}
			r := &store.Reporter{Backend: b, Jitter: -1, Report: func() store.Instance { return store.Instance{Name: "gw"} }, Sharing: func() { told.Add(1) }}
			return told, servertest.Run(t, r.Run)
		}
		shared := func() bool {
			list, err := store.Instances(t.Context(), m)
			return err == nil && len(list) == 1 && list[0].Shared
		}
		lost := &storetest.Losable{Backend: m}
		killed := &tampered{Backend: m, before: func(string) error {
			if lost.Lost.Load() {
				return errors.New("no route to host")
			}
			return nil
		}}
		first, stopFirst := begin(killed)
		time.Sleep(time.Second)
		lost.Lost.Store(true) // which leaves the report behind
		stopFirst()
		old := objects(t, m)["i/now/gw"]
		second, stopSecond := begin(m)
		time.Sleep(time.Hour)
		put(t, m, old.Key, old.Value) // the store is set back
		time.Sleep(time.Hour)
		if first.Load()+second.Load() > 0 || shared() {
			t.Error("who replaces another one is taken for its twin")
		}
		third, stopThird := begin(m)
		time.Sleep(time.Hour)
		if second.Load() != 1 || third.Load() != 1 || !shared() {
			t.Errorf("told %d and %d times, want each once", second.Load(), third.Load())
		}
		stopSecond()
		time.Sleep(5 * time.Minute)
		if shared() {
			t.Error("the one that is left shares its name with nobody")
		}
		stopThird()
	})
}

func TestForgottenInstances(t *testing.T) {
	m := &storetest.Memory{}
	for _, key := range []string{"i/known/a", "i/known/b", "i/now/b"} {
		put(t, m, key, []byte(`{"v":1}`))
	}
	if err := store.Forget(t.Context(), m, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if got := reported(t, m); got != "b 0 false false false" {
		t.Errorf("left are %q", got)
	}
}

// TestReportsAreRare counts the objects that are put.
func TestReportsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &tampered{Backend: &storetest.Memory{}}
		r := report(t, b, "gw", 10*time.Second)
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			r.revision.Add(1)
		}
		r.stop()
		if n := b.count("Announce"); n < 8 || n > 2*8 {
			t.Errorf("a minute of changes has made %d puts", n)
		}
		// A fleet that sees a change reports it over a time.
		first := &tampered{Backend: &storetest.Memory{}}
		var mu sync.Mutex
		var at []time.Duration
		start := time.Now()
		first.before = func(string) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start).Round(time.Second))
			return nil
		}
		var fleet []*running
		for i := range 50 {
			fleet = append(fleet, report(t, first, fmt.Sprint("gw-", i), 10*time.Second))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for _, r := range fleet {
			r.stop()
		}
		slices.Sort(at)
		if n := len(slices.Compact(at)); n < 5 {
			t.Errorf("50 instances have reported within %d seconds", n)
		}
	})
}

// unreadable is a backend that cannot read some keys, alone or with others.
type unreadable struct {
	store.Backend
	keys map[string]bool
}

func (b *unreadable) Get(ctx context.Context, keys ...string) ([]store.Object, error) {
	for _, key := range keys {
		if b.keys[key] {
			return nil, errors.New("permission denied")
		}
	}
	return b.Backend.Get(ctx, keys...)
}

// TestABadReportHidesNoOther has reports of each kind beside good ones.
func TestABadReportHidesNoOther(t *testing.T) {
	m := &storetest.Memory{}
	for key, value := range map[string]string{
		"i/now/a":   `{"v":1,"name":"other","ready":true,"more":1,"unreadable":"a lie"}`,
		"i/now/b":   `{"v":2,"name":"b","ready":true}`,
		"i/now/c":   "x",
		"i/known/d": `{"v":1,"ready":true,"silent":false}`,
		"i/now/e":   `{"v":1,"ready":true,"serves":{"revision":1000000000000001}}`,
		"i/now/f":   `{"v":1,"ready":"yes"}`,
		"i/now/g":   `{"ready":true}`,
	} {
		put(t, m, key, []byte(value))
	}
	want := []string{
		"a true false ",
		"b false false the report has format 2, and this version of the program reads 1: use a newer one",
		"c false false the report is not JSON: ",
		"d true true ",
		"e false false the report names revision 1000000000000001, which no fleet has",
		"f false false the report is not as its format demands: ",
		"g false false the report has no version of its format",
	}
	expectBegins := func(b store.Backend, want ...string) {
		t.Helper()
		instances, err := store.Instances(t.Context(), b)
		if err != nil || len(instances) != len(want) {
			t.Fatalf("%+v, %v, want %q", instances, err, want)
		}
		for n, i := range instances {
			if got := fmt.Sprint(i.Name, " ", i.Ready, i.Silent, " ", i.Unreadable); !strings.HasPrefix(got, want[n]) {
				t.Errorf("got %q, want %q", got, want[n])
			}
		}
	}
	expectBegins(m, want...)
	put(t, m, "i/now/h", make([]byte, store.MaxObject+1))
	put(t, m, "i/known/i", []byte(`{"v":1,"ready":true}`))
	expectBegins(&unreadable{m, map[string]bool{"i/known/i": true}}, append(want,
		`h false false the object "i/now/h" has more than `, "i false true the store cannot be used: permission denied")...)
	_, err := store.Instances(t.Context(), &unreadable{m, map[string]bool{"i/now/a": true, "w/target": true}})
	expectCode(t, "a store that is away", err, store.CodeUnreachable)
}
