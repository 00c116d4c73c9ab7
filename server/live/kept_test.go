package live_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
)

// keeper keeps in memory, and has had a copy since noon of a day.
type keeper struct {
	copied live.Reader // nil: none
	floor  live.Floor
	kept   []live.Release
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (k *keeper) Keep(r live.Reading) { k.kept = append(k.kept, r.Release) }
func (k *keeper) Floor() live.Floor   { return k.floor }

func (k *keeper) Kept() time.Time {
	if k.copied == nil {
		return time.Time{}
	}
	return noon
}

func (k *keeper) Read(ctx context.Context) (live.Reading, error) {
	if k.copied == nil {
		return live.Reading{}, fs.ErrNotExist
	}
	return k.copied.Read(ctx)
}

// released is a memory that says which release it holds.
type released struct {
	*memory
	release live.Release
}

func (r *released) Read(ctx context.Context) (live.Reading, error) {
	res, err := r.memory.Read(ctx)
	res.Release = r.release
	return res, err
}

func (r *released) Confirmed() time.Time { return noon.Add(time.Hour) }

func revision(n uint64) live.Release {
	return live.Release{Epoch: "a", Revision: n, Root: fmt.Sprint("root ", n)}
}

func TestWhatWasKeptServesUntilTheSourceIsGood(t *testing.T) {
	lost := held{err: errors.New("the store is away")}
	for name, broken := range map[string]held{"the source cannot be read": lost, "the source has mistakes": {content: brokenFile}} {
		t.Run(name, func(t *testing.T) {
			log := &logged{}
			src := &released{memory: &memory{}, release: revision(7)}
			src.hold(broken)
			k := &keeper{copied: &released{memory: newMemory(policyFile(1)), release: revision(6)}}
			var loads []live.Load
			w := watcherFunc(func() func(live.Load) { return func(l live.Load) { loads = append(loads, l) } })
			r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Keeper: k, Watchers: []live.Watcher{w}, Logger: log.logger()}
			if err := r.Load(t.Context()); err != nil || src.count() != 0 {
				t.Fatalf("Load: %v, and the source was read %d times", err, src.count())
			}
			if l := loads[0]; l.Err != nil || !l.Changed || l.Cut || l.Status.ServedFrom != live.FromState {
				t.Errorf("the watchers are told of %+v", l)
			}
			if err := r.Load(t.Context()); err == nil || r.Status().Generation != 1 {
				t.Errorf("the source: %v, %+v", err, r.Status())
			}
			if got := servedMaxAge(t, keptBy(r)); got != "1" {
				t.Errorf("served %q, want what was kept", got)
			}
			s := r.Status()
			if !s.Ready || s.ServedFrom != live.FromState || s.Release != revision(6) || s.LastError == nil || !s.StateAt.Equal(noon) || !s.SourceConfirmedAt.Equal(noon.Add(time.Hour)) {
				t.Errorf("status: %+v", s)
			}
			if len(k.kept) != 0 {
				t.Error("what was kept is kept again")
			}
			if l := loads[1]; l.Err == nil || l.Changed || !l.Status.Ready {
				t.Errorf("the watchers are told of %+v", l)
			}

			start(t, r) // which loads at once
			servertest.Await(t, "the log", func() bool {
				return strings.Contains(log.String(), "level=ERROR") && strings.Contains(log.String(), "the last known good ones serve, of 2026-03-01T12:00:00Z")
			})
			if text := log.String(); !strings.Contains(text, `msg="policies loaded" from=state`) {
				t.Errorf("the log:\n%s", text)
			}
			src.set(policyFile(1)) // the same as was kept
			servertest.Await(t, "the source", func() bool { return r.Status().ServedFrom == live.FromSource })
			if s := r.Status(); s.LastError != nil || s.Release != revision(7) || s.Generation != 1 {
				t.Errorf("status with the source: %+v", s)
			}
			src.hold(lost)
			if _, err := r.Reload(servertest.Context(t)); err == nil || r.Status().ServedFrom != live.FromSource || r.Status().Release != revision(7) {
				t.Errorf("the source is lost later: %v, %+v", err, r.Status())
			}
		})
	}
}

// TestWhatWasKeptServesBeforeTheSourceAnswers has a source of which no Watch tells.
func TestWhatWasKeptServesBeforeTheSourceAnswers(t *testing.T) {
	src := newSteered(policyFile(2))
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Keeper: &keeper{copied: newMemory(policyFile(1))}}
	if err := r.Load(t.Context()); err != nil || servedMaxAge(t, keptBy(r)) != "1" {
		t.Fatalf("Load: %v, %+v", err, r.Status())
	}
	start(t, r)
	src.end <- struct{}{}
	servertest.Await(t, "the source", func() bool { return r.Status().ServedFrom == live.FromSource })
	if got := servedMaxAge(t, keptBy(r)); got != "2" {
		t.Errorf("served %s", got)
	}
}

func TestWhatWasKeptIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		copied live.Reader
		logged string // empty: nothing of what was kept
	}{
		{name: "there is nothing"},
		{"it has mistakes now", newMemory(brokenFile), "memory/p.yaml:4:20: error [origin-"},
		{"it cannot be read", faulty{read: func() (live.Reading, error) { return live.Reading{}, errors.New("out of cheese") }}, "out of cheese"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &logged{}
			src := &memory{}
			src.hold(held{err: errors.New("the store is away")})
			r := &live.Reloader{Source: src, Keeper: &keeper{copied: c.copied}, Logger: log.logger()}
			if err := r.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "the store is away") {
				t.Errorf("Load: %v, want why the source is refused", err)
			}
			if s := r.Status(); s.Ready || s.ServedFrom != "" || s.LastError == nil || !strings.Contains(s.LastError.Message, "the store is away") {
				t.Errorf("status: %+v", s)
			}
			text := log.String()
			if !strings.Contains(text, c.logged) || strings.Contains(text, "the last known good policies are refused") != (c.logged != "") {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}

// TestTheEndOfALoadServesNothing is about a service that is stopped while it starts.
func TestTheEndOfALoadServesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := &live.Reloader{Source: newMemory(policyFile(1)), Keeper: &keeper{copied: newMemory(policyFile(1))}}
	if err := r.Load(ctx); err == nil || r.Status().Ready {
		t.Errorf("Load: %v, %+v", err, r.Status())
	}
}

func TestEachGoodReadingIsKept(t *testing.T) {
	src := &released{memory: newMemory(policyFile(1)), release: revision(1)}
	k := &keeper{}
	r := &live.Reloader{Source: src, Keeper: k}
	for n, content := range []string{policyFile(1), brokenFile, policyFile(1), policyFile(2)} {
		src.set(content)
		src.release = revision(uint64(n + 1))
		_ = r.Load(t.Context()) // which refuses the second
	}
	if got := fmt.Sprint(k.kept); got != fmt.Sprint([]live.Release{revision(1), revision(3), revision(4)}) {
		t.Errorf("kept %s", got)
	}
}

func TestFloor(t *testing.T) {
	restored := live.Release{Epoch: "b", Revision: 1, Root: "root b", Replaces: "a"}
	later := live.Release{Epoch: "c", Revision: 1, Root: "root c", Replaces: "b"}
	for _, c := range []struct {
		name    string
		floor   []live.Release
		release live.Release
		refused string
	}{
		{"the first release", nil, revision(3), ""},
		{"the same again", []live.Release{revision(3)}, revision(3), ""},
		{"the next", []live.Release{revision(3)}, revision(4), ""},
		{"one that was skipped", []live.Release{revision(1), revision(3)}, revision(2), "gone back to revision 2, and revision 3 has served"},
		{"another of that number", []live.Release{revision(3)}, live.Release{Epoch: "a", Revision: 3, Root: "else"}, "another revision 3"},
		{"files", []live.Release{revision(3)}, live.Release{}, ""},
		{"the store after files", []live.Release{revision(3), {}}, revision(2), "gone back"},
		{"another store", []live.Release{revision(3)}, live.Release{Epoch: "b", Revision: 9}, `epoch "b" instead of "a"`},
		{"one that was restored", []live.Release{revision(3)}, restored, ""},
		{"one that was restored twice meanwhile", []live.Release{revision(3)}, later, ""},
		{"the epoch before", []live.Release{revision(3), restored}, revision(4), `gone back to epoch "a"`},
		{"an epoch between that was not seen", []live.Release{revision(3), later}, restored, `gone back to epoch "b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f live.Floor
			for _, r := range c.floor {
				f = f.With(r)
			}
			err := f.Admit(c.release)
			if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Errorf("Admit: %v, want %q", err, c.refused)
			}
			if fault := (*live.Fault)(nil); err != nil && (!errors.As(err, &fault) || fault.Code != "store_regressed" || !strings.Contains(err.Error(), "--state-dir")) {
				t.Errorf("Admit: %#v", err)
			}
		})
	}
}

// TestAStoreThatHasGoneBackIsRefused also has a floor of before the start.
func TestAStoreThatHasGoneBackIsRefused(t *testing.T) {
	for name, before := range map[string]live.Floor{"since the start": {}, "from before the start": live.Floor{}.With(revision(7))} {
		t.Run(name, func(t *testing.T) {
			src := &released{memory: newMemory(policyFile(7)), release: revision(7)}
			r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Keeper: &keeper{copied: newMemory(policyFile(7)), floor: before}}
			if before.Epoch == "" {
				if err := errors.Join(r.Load(t.Context()), r.Load(t.Context())); err != nil { // of what was kept, and of the source
					t.Fatal(err)
				}
			}
			src.set(policyFile(6))
			src.release = revision(6)
			if before.Epoch == "" {
				var refused *live.LoadError
				if err := r.Load(t.Context()); !errors.As(err, &refused) || refused.Code() != "store_regressed" {
					t.Errorf("Load: %v", err)
				}
			} else if err := r.Load(t.Context()); err != nil {
				t.Errorf("Load: %v, and something was kept", err)
			} else if err := r.Load(t.Context()); err == nil {
				t.Error("it is not refused")
			}
			if got := servedMaxAge(t, keptBy(r)); got != "7" || r.Status().LastError == nil {
				t.Errorf("served %s, %+v", got, r.Status())
			}
			src.set(policyFile(8))
			src.release = revision(8)
			if err := r.Load(t.Context()); err != nil || servedMaxAge(t, keptBy(r)) != "8" {
				t.Errorf("the next revision: %v", err)
			}
		})
	}
}
