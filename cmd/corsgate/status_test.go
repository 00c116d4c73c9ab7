package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// reportAll has instances report themselves until the test ends.
func reportAll(t *testing.T, b store.Backend, instances ...store.Instance) {
	t.Helper()
	for _, i := range instances {
		r := store.Reporter{Backend: b, Jitter: -1, Report: func() store.Instance { return i }}
		servertest.Run(t, r.Run)
	}
	servertest.Await(t, "all reports", func() bool {
		list, err := store.Instances(t.Context(), b)
		return err == nil && len(list) == len(instances)+1 // and fillStore's
	})
}

func TestStatusSaysWhoServesWhatIsWanted(t *testing.T) {
	b := &store.Folder{Path: fillStore(t)[len(schemeFolder):]}
	now, err := store.Current(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	at := func(revision uint64) live.Release { return live.Release{Epoch: now.Epoch, Revision: revision} }
	reportAll(t, b,
		store.Instance{Name: "a-older", Serves: at(1), Ready: true},
		store.Instance{Name: "b-lost", Serves: at(3), Ready: true, Refused: store.CodeRegressed},
		store.Instance{Name: "c-other-epoch", Serves: live.Release{Epoch: "other", Revision: 2}, Ready: true},
		store.Instance{Name: "d-files", Ready: true},
		store.Instance{Name: "e-draining", Serves: at(2)},
		store.Instance{Name: "f-waiting", Serves: at(2), Ready: true, Envoys: map[string]int{"current": 3, "waiting": 1}},
		store.Instance{Name: "g-refused", Serves: at(2), Ready: true, Envoys: map[string]int{"refused": 1}, LastKnownGood: true},
		store.Instance{Name: "h-good", Serves: at(2), Ready: true, Envoys: map[string]int{"current": 3}, Labels: map[string]string{"zone": "e\x1bu"}},
		store.Instance{Name: "h-idle", Serves: at(2), Ready: true, Envoys: map[string]int{}},
		store.Instance{Name: "i-unreachable", Serves: at(2), Ready: true, Refused: store.CodeUnreachable},
	)
	for wanted, want := range map[uint64][]string{
		0: {"gw-1", "h-good", "h-idle", "i-unreachable"},
		1: {"a-older", "gw-1", "h-good", "h-idle", "i-unreachable"},
		3: nil,
	} {
		f := statusFlags{wanted: wanted}
		r, err := f.look(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		var serving []string
		for _, i := range r.Instances {
			if i.ServesWanted {
				serving = append(serving, i.Name)
			}
		}
		if fmt.Sprint(serving) != fmt.Sprint(want) || r.Serving != len(want) || r.All {
			t.Errorf("wanted %d: %v serve (%d, all: %v), want %v", wanted, serving, r.Serving, r.All, want)
		}
	}
	for envoys, want := range map[int]int{0: 4, 1: 1, 3: 1, 4: 0} {
		f := statusFlags{envoys: envoys}
		if r, err := f.look(t.Context(), b); err != nil || r.Serving != want {
			t.Errorf("with %d Envoys each: %d serve, %v, want %d", envoys, r.Serving, err, want)
		}
	}
	f := statusFlags{}
	r, err := f.look(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, i := range r.Instances {
		fmt.Fprintln(&out, i.line(printable.Painter{}))
	}
	if want := `a-older  1  ready
b-lost  3  refused: store_regressed
c-other-epoch  2  serves what the store has lost
d-files  -  ready
e-draining  2  not ready
f-waiting  2  ready  Envoys: 3 current, 1 waiting
g-refused  2  with Envoys that refuse it  last known good  Envoys: 1 refused
gw-1  2  ready
h-good  2  ready  Envoys: 3 current  zone=e\x1bu
h-idle  2  ready  Envoys: none
i-unreachable  2  ready  last refused: store_unreachable
`; out.String() != want {
		t.Errorf("status prints\n%s\nwant\n%s", &out, want)
	}
	if got, want := r.summary(), "4 of 11 instances serving revision 2, 1 refused: store_regressed, 1 serves what the store has lost, 1 with Envoys that refuse it"; got != want {
		t.Errorf("the summary is %q, want %q", got, want)
	}
	heard := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for want, i := range map[string]store.Instance{
		"gone  2  silent  last report 2026-03-01T12:00Z": {Name: "gone", Silent: true, Serves: at(2), Ready: true, At: heard},
		"old  2  ready  last report 2026-03-01T12:00Z":   {Name: "old", Serves: at(2), Ready: true, At: heard},
		"new  2  ready":            {Name: "new", Serves: at(2), Ready: true, At: time.Now()},
		"twin  2  shares its name": {Name: "twin", Serves: at(2), Ready: true, Shared: true},
	} {
		if got := (fleetInstance{Instance: i}).line(printable.Painter{}); got != want {
			t.Errorf("an instance is %q, want %q", got, want)
		}
	}
}

// TestSilentInstancesAreForgotten if that is asked for, also those that fall silent meanwhile.
func TestSilentInstancesAreForgotten(t *testing.T) {
	filled := &store.Folder{Path: fillStore(t)[len(schemeFolder):]}
	now, err := store.Current(t.Context(), filled)
	if err != nil {
		t.Fatal(err)
	}
	m := &storetest.Memory{}
	for _, prefix := range []string{"w/", "u/"} {
		copyObjects(t, filled, m, prefix)
	}
	serves := fmt.Sprintf(`{"v":1,"ready":true,"serves":{"epoch":%q,"revision":2,"hash":%q},"at":"2026-11-27T18:45:00Z"}`, now.Epoch, now.Hash)
	synctest.Test(t, func(t *testing.T) {
		for key, ttl := range map[string]time.Duration{"i/known/dead": time.Hour, "i/known/dying": time.Hour, "i/now/dying": 2 * time.Second, "i/now/gw-1": time.Hour} {
			if err := m.Announce(t.Context(), key, []byte(serves), ttl); err != nil {
				t.Fatal(err)
			}
		}
		f := statusFlags{forget: true, waiting: true, timeout: time.Minute, wanted: 2}
		if err := m.Put(t.Context(), []store.Object{{Key: "i/now/dying", Value: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() { _ = m.Delete(context.Background(), []store.Object{{Key: "i/now/dying"}}) })
		r, err := f.await(t.Context(), m, io.Discard)
		if err != nil || !r.All || len(r.Instances) != 1 || fmt.Sprint(r.Forgotten) != "[dead dying]" {
			t.Errorf("await: %+v, %v", r, err)
		}
		var out, note bytes.Buffer
		if err := r.print(&out, &note, "text"); err != nil || !strings.Contains(note.String(), "dead was silent, and is forgotten\n") {
			t.Errorf("it prints %s%s, %v", &out, &note, err)
		}
		if list, err := store.Instances(t.Context(), m); err != nil || len(list) != 1 {
			t.Errorf("left are %+v, %v", list, err)
		}
	})
}

func copyObjects(t *testing.T, from, to store.Backend, prefix string) {
	t.Helper()
	listed, err := from.List(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range listed {
		found, err := from.Get(t.Context(), o.Key)
		if err == nil {
			err = to.Put(t.Context(), found)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// unsteady is a store whose first calls for objects fail, or hang from one of them on.
type unsteady struct {
	store.Backend
	fails, hangsFrom int64
	calls            atomic.Int64
}

func (u *unsteady) Get(ctx context.Context, keys ...string) ([]store.Object, error) {
	n := u.calls.Add(1)
	if n <= u.fails {
		return nil, errors.New("connection refused")
	}
	if u.hangsFrom > 0 && n >= u.hangsFrom {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return u.Backend.Get(ctx, keys...)
}

// TestStatusWaitsForAStore has gw-1 serve revision 2, which the store has.
func TestStatusWaitsForAStore(t *testing.T) {
	filled := &store.Folder{Path: fillStore(t)[len(schemeFolder):]}
	for name, c := range map[string]struct {
		b       *unsteady
		wanted  uint64
		want    string // code
		serving int
	}{
		"it is away for a while": {&unsteady{fails: 2}, 2, "", 1},
		"it stays away":          {&unsteady{fails: math.MaxInt64}, 2, store.CodeUnreachable, 0},
		"it hangs":               {&unsteady{hangsFrom: 1}, 2, store.CodeUnreachable, 0},
		"it hangs later":         {&unsteady{hangsFrom: 20}, 9, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.b.Backend = filled
				begun, f := time.Now(), statusFlags{wanted: c.wanted, waiting: true, timeout: 5 * time.Second}
				r, err := f.await(t.Context(), c.b, io.Discard)
				if live.CodeOf(err) != c.want || err == nil && (r == nil || r.Serving != c.serving) {
					t.Errorf("await: %+v, %v", r, err)
				}
				if d := time.Since(begun); d > f.timeout {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{false, "1 of 2\n2 of 2\n"},
		{true, "\r\x1b[K1 of 2\r\x1b[K2 of 2\r\x1b[K"},
	} {
		var out bytes.Buffer
		p := progress{to: &out, terminal: c.terminal}
		for _, text := range []string{"1 of 2", "1 of 2", "2 of 2"} {
			p.tell(text)
		}
		p.end()
		if got := out.String(); got != c.want {
			t.Errorf("on a terminal %v: %q, want %q", c.terminal, got, c.want)
		}
	}
}

func TestErrorsOfAStoreHaveTheirExitCodes(t *testing.T) {
	fault := func(code string) error { return &live.Fault{Code: code, Err: errors.New(code)} }
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{&store.Conflict{}, exitLost},
		{fault(store.CodeUnreachable), exitUnreachable},
		{fmt.Errorf("not known: %w", errors.Join(errors.New("a"), fault(store.CodeUnreachable))), exitUnreachable},
		{fault(store.CodeEmpty), exitFailure},
		{fault(store.CodeUnit), exitFailure},
		{fmt.Errorf("read: %w", context.Canceled), exitInterrupted},
		{misused("", "no"), exitUsage},
		{errFindings, exitFailure},
	} {
		if got := report(&bytes.Buffer{}, "corsgate", storeError(c.err, "etcd://h/edge")); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}
