package live_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
)

// keeper keeps in memory, and has had a copy since noon of a day.
type keeper struct {
	copied live.Reader // nil: none
	kept   []live.Release
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (k *keeper) Keep(r live.Reading) { k.kept = append(k.kept, r.Release) }

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
			r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Keeper: k, KeptFirst: true, Watchers: []live.Watcher{w}, Logger: log.logger()}
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

			servertest.Run(t, r.Run) // which loads at once
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
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Keeper: &keeper{copied: newMemory(policyFile(1))}, KeptFirst: true}
	if err := r.Load(t.Context()); err != nil || servedMaxAge(t, keptBy(r)) != "1" {
		t.Fatalf("Load: %v, %+v", err, r.Status())
	}
	servertest.Run(t, r.Run)
	src.end <- struct{}{}
	servertest.Await(t, "the source", func() bool { return r.Status().ServedFrom == live.FromSource })
	if got := servedMaxAge(t, keptBy(r)); got != "2" {
		t.Errorf("served %s", got)
	}
}

// TestTheSourceServesFirst if it is good, and soon enough.
func TestTheSourceServesFirst(t *testing.T) {
	copied := &keeper{copied: newMemory(policyFile(1))}
	for name, c := range map[string]struct {
		content, first string // what the source has, and the maxAge that serves first
		hangs          time.Duration
		keeper         live.Keeper
		from           live.Provenance
	}{
		"it is good":                        {policyFile(2), "2", 0, copied, live.FromSource},
		"it takes a while":                  {policyFile(2), "2", 5 * time.Second, copied, live.FromSource},
		"it takes long":                     {policyFile(2), "1", time.Minute, copied, live.FromState},
		"it has mistakes":                   {brokenFile, "1", 0, copied, live.FromState},
		"it takes long, nothing was kept":   {policyFile(2), "2", time.Minute, &keeper{}, live.FromSource},
		"it has mistakes, nothing was kept": {brokenFile, "", 0, &keeper{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &deaf{newMemory(c.content), c.hangs}
				r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Keeper: c.keeper}
				err := r.Load(t.Context())
				if got := r.Status(); got.ServedFrom != c.from || (err == nil) != got.Ready || got.LastError == nil != got.Ready {
					t.Errorf("Load: %v, %+v", err, got)
				}
				if c.first != "" && servedMaxAge(t, keptBy(r)) != c.first {
					t.Errorf("served %q, want %s", servedMaxAge(t, keptBy(r)), c.first)
				}
				stop := servertest.Run(t, r.Run)
				time.Sleep(2 * time.Minute)
				if got := r.Status(); (got.LastError != nil) != (c.content == brokenFile) || got.LastError == nil && got.ServedFrom != live.FromSource {
					t.Errorf("later: %+v", got)
				}
				stop()
			})
		})
	}
}

// deaf is a memory that takes its time, whoever waits for it.
type deaf struct {
	*memory
	hangs time.Duration
}

func (d *deaf) Read(ctx context.Context) (live.Reading, error) {
	time.Sleep(d.hangs)
	return d.memory.Read(ctx)
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
