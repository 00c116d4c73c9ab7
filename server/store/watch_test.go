package store_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// watched is a backend whose watches a test decides.
type watched struct {
	*tampered
	watches atomic.Int64
	watch   func(ctx context.Context, key string, tell func([]byte)) error
}

func (w *watched) Watch(ctx context.Context, key string, tell func([]byte)) error {
	w.watches.Add(1)
	return w.watch(ctx, key, tell)
}

// hangable is a backend whose calls fail while hangs is set; its watch is the test's to
// make.
func hangable(b store.Backend) (w *watched, hangs *atomic.Bool) {
	w, hangs = &watched{tampered: &tampered{Backend: b}}, &atomic.Bool{}
	w.before = func(string) error {
		if hangs.Load() {
			return errors.New("no answer")
		}
		return nil
	}
	return w, hangs
}

// silent is a watch that says nothing.
func silent(ctx context.Context, _ string, _ func([]byte)) error {
	<-ctx.Done()
	return nil
}

// follow watches a source in a bubble, and counts what is told.
func follow(t *testing.T, s *store.Source) (told *atomic.Int64, stop func()) {
	t.Helper()
	told = &atomic.Int64{}
	return told, servertest.Run(t, func(ctx context.Context) error { return s.Watch(ctx, func() { told.Add(1) }) })
}

func expectTold(t *testing.T, what string, told *atomic.Int64, want int64) {
	t.Helper()
	synctest.Wait()
	if got := told.Swap(0); got != want {
		t.Errorf("%s: told %d times, want %d", what, got, want)
	}
}

// expectToldOf is for what is told at each audit until somebody reads.
func expectToldOf(t *testing.T, what string, told *atomic.Int64) {
	t.Helper()
	synctest.Wait()
	if told.Swap(0) == 0 {
		t.Errorf("%s: nothing was told", what)
	}
}

func TestABurstIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		s := &store.Source{Backend: m}
		read(t, s)
		told, stop := follow(t, s)
		defer stop()
		time.Sleep(time.Hour)
		expectTold(t, "without a change", told, 0)
		for i := range 10 {
			push(t, m, policies(t, 2+i), store.Meta{})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		expectTold(t, "after a burst", told, 1)
		read(t, s)
		push(t, m, policies(t, 50), store.Meta{})
		time.Sleep(100 * time.Millisecond)
		expectTold(t, "after one more", told, 1)
	})
}

// TestASilentWatchIsNotTrusted is about a server that hangs, or that waits for a revision
// which it will never have.
func TestASilentWatchIsNotTrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		s := &store.Source{Backend: &watched{tampered: &tampered{Backend: m}, watch: silent}}
		read(t, s)
		told, stop := follow(t, s)
		defer stop()
		push(t, m, policies(t, 2), store.Meta{})
		time.Sleep(store.DefaultAudit / 2)
		expectTold(t, "before the audit", told, 0)
		time.Sleep(store.DefaultAudit)
		expectToldOf(t, "after the audit", told)
		if age := time.Since(s.Confirmed()); age > store.DefaultAudit {
			t.Errorf("confirmed %v ago", age)
		}
	})
}

// TestAWatchThatAnAuditIsAheadOfEnds has the first watch fall silent after it has told the
// state, as an etcd that was set back has it.
func TestAWatchThatAnAuditIsAheadOfEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		b := &watched{tampered: &tampered{Backend: m}}
		b.watch = func(ctx context.Context, key string, tell func([]byte)) error {
			if b.watches.Load() > 1 {
				return m.Watch(ctx, key, tell)
			}
			tell(objects(t, m)[key].Value)
			return silent(ctx, key, tell)
		}
		s := &store.Source{Backend: b}
		read(t, s)
		told, stop := follow(t, s)
		defer stop()
		time.Sleep(time.Hour)
		if n := b.watches.Load(); n != 1 {
			t.Errorf("%d watches were begun while nothing has changed, want 1", n)
		}
		push(t, m, policies(t, 2), store.Meta{})
		time.Sleep(store.DefaultAudit * 5 / 4)
		time.Sleep(time.Second)
		expectToldOf(t, "after the audit", told)
		for age := 3; age < 6; age++ {
			read(t, s)
			push(t, m, policies(t, age), store.Meta{})
			time.Sleep(time.Second)
			expectToldOf(t, "by the watch after it", told)
		}
		time.Sleep(time.Hour)
		if n := b.watches.Load(); n != 2 {
			t.Errorf("%d watches were begun, want 2", n)
		}
	})
}

// TestAnAuditWithoutAnswerEndsTheWatch hangs both, and then lets a new watch through.
func TestAnAuditWithoutAnswerEndsTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		b, hangs := hangable(m)
		b.watch = func(ctx context.Context, key string, tell func([]byte)) error {
			if b.watches.Load() == 1 {
				return silent(ctx, key, tell)
			}
			return m.Watch(ctx, key, tell)
		}
		s := &store.Source{Backend: b}
		read(t, s)
		told, stop := follow(t, s)
		defer stop()
		push(t, m, policies(t, 2), store.Meta{})
		hangs.Store(true)
		time.Sleep(2 * store.DefaultAudit)
		expectToldOf(t, "by the watch after the audit", told)
		if age := time.Since(s.Confirmed()); age < 2*store.DefaultAudit {
			t.Errorf("confirmed %v ago by nobody", age)
		}
	})
}

func TestAStoreThatIsAwayAtTheStartIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{}
		b := &storetest.Losable{Backend: m}
		b.Lost.Store(true)
		counted := &watched{tampered: &tampered{Backend: b}, watch: b.Watch}
		s := &store.Source{Backend: counted}
		_, err := s.Read(t.Context())
		expectCode(t, "Read", err, store.CodeUnreachable)
		if !s.Confirmed().IsZero() {
			t.Error("confirmed, and nobody has answered")
		}
		told, stop := follow(t, s)
		defer stop()
		time.Sleep(time.Hour)
		expectTold(t, "while it is away", told, 0)
		if n := counted.watches.Load(); n < 600 || n > 2000 {
			t.Errorf("an hour has %d tries", n)
		}
		b.Lost.Store(false)
		time.Sleep(10 * time.Second)
		expectToldOf(t, "when it is back", told)
		_, err = s.Read(t.Context())
		expectCode(t, "Read of an empty store", err, store.CodeEmpty)
		time.Sleep(time.Hour)
		expectTold(t, "while it is empty", told, 0)
		push(t, m, policies(t, 1), store.Meta{})
		time.Sleep(time.Second)
		expectToldOf(t, "when it has a release", told)
		read(t, s)
	})
}

// TestWhatWasBrokenIsTriedAgain is about what is mended without another target.
func TestWhatWasBrokenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		s := &store.Source{Backend: m}
		read(t, s)
		push(t, m, policies(t, 2, 3), store.Meta{})
		record := keys(t, m, "w/log/")[1]
		whole := objects(t, m)[record]
		remove(t, m, record)
		_, err := s.Read(t.Context())
		expectCode(t, "Read", err, store.CodeRecordMissing)
		told, stop := follow(t, s)
		defer stop()
		time.Sleep(time.Hour)
		expectTold(t, "while it is broken", told, 0)
		put(t, m, record, []byte("{}"))
		time.Sleep(store.DefaultAudit * 5 / 4)
		expectToldOf(t, "when it is broken otherwise", told)
		_, err = s.Read(t.Context())
		expectCode(t, "Read", err, store.CodeRecord)
		put(t, m, record, whole.Value)
		time.Sleep(store.DefaultAudit * 5 / 4)
		expectToldOf(t, "when it is mended", told)
		read(t, s)
		time.Sleep(time.Hour)
		expectTold(t, "from then on", told, 0)
	})
}

// TestAReadThatHangsEnds is about a store that does not answer, and about who waits
// behind it.
func TestAReadThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := &hanging{Backend: memory(t, 1)}
		s := &store.Source{Backend: hang}
		first := make(chan error)
		go func() { _, err := s.Read(context.Background()); first <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := s.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who waits: %v, want the end of its context", err)
		}
		expectCode(t, "who reads", <-first, store.CodeUnreachable)
	})
}

// hanging is a backend whose reads end with their contexts alone.
type hanging struct{ store.Backend }

func (*hanging) Get(ctx context.Context, _ ...string) ([]store.Object, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (*hanging) List(ctx context.Context, _ string) ([]store.Object, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAStoreThatHangsIsToldOfSoon has each call wait once, and not for what takes long.
func TestAStoreThatHangsIsToldOfSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, b := context.Background(), &hanging{memory(t, 1, 2)}
		for name, call := range map[string]func() error{
			"Instances": func() error { _, err := store.Instances(ctx, b); return err },
			"Current":   func() error { _, err := store.Current(ctx, b); return err },
			"History":   func() error { _, err := store.History(ctx, b, 0); return err },
			"Pull":      func() error { _, err := store.Pull(ctx, b, 1); return err },
			"Push":      func() error { _, err := store.Push(ctx, b, policies(t, 3), store.Meta{}); return err },
			"Rollback":  func() error { _, err := store.Rollback(ctx, b, 1, store.Meta{}); return err },
			"GC":        func() error { _, err := store.GC(ctx, b, 1, false); return err },
			"Restore": func() error {
				_, err := store.Restore(ctx, b, policies(t, 3), store.Lost{Epoch: strings.Repeat("a", 32)}, store.Meta{})
				return err
			},
		} {
			begun := time.Now()
			expectCode(t, name, call(), store.CodeUnreachable)
			if d := time.Since(begun); d > 10*time.Second {
				t.Errorf("%s: it took %v", name, d)
			}
		}
	})
}

// TestAStoreThatHangsIsLoggedOnce has a watch that says nothing while nothing is answered.
func TestAStoreThatHangsIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		b, hangs := hangable(m)
		b.watch = func(ctx context.Context, key string, tell func([]byte)) error {
			if hangs.Load() {
				return silent(ctx, key, tell)
			}
			return m.Watch(ctx, key, tell)
		}
		var text bytes.Buffer
		s := &store.Source{Backend: b, Logger: slog.New(slog.NewTextHandler(&text, nil))}
		read(t, s)
		failed := []string{}
		r := store.Reporter{
			Backend: b, Jitter: -1, Report: func() store.Instance { return store.Instance{Name: "a"} },
			Failed: func(err error) { failed = append(failed, codeOf(err)) },
		}
		stopReports := servertest.Run(t, r.Run)
		_, stop := follow(t, s)
		for range 2 {
			hangs.Store(true)
			time.Sleep(time.Hour)
			hangs.Store(false)
			time.Sleep(time.Hour)
		}
		stop()
		stopReports()
		if lost, back := strings.Count(text.String(), "cannot be watched"), strings.Count(text.String(), "watched again"); lost != 2 || back != 2 {
			t.Errorf("of two outages the log says\n%s", &text)
		}
		if got, want := strings.Join(failed, ","), "store_unreachable,,store_unreachable,"; got != want {
			t.Errorf("the reporter tells %q, want %q", got, want)
		}
	})
}

// TestWhatPassesIsNotLogged has watches end, and nothing but one that never lasts is worth a
// line.
func TestWhatPassesIsNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 1)
		var lasts atomic.Int64
		lasts.Store(int64(time.Minute))
		b := &watched{tampered: &tampered{Backend: m}}
		b.watch = func(ctx context.Context, key string, tell func([]byte)) error {
			limited, cancel := context.WithTimeout(ctx, time.Duration(lasts.Load()))
			defer cancel()
			if err := m.Watch(limited, key, tell); err != nil || ctx.Err() != nil {
				return err
			}
			return errors.New("no leader")
		}
		var text linestest.Buffer
		s := &store.Source{Backend: b, Logger: slog.New(slog.NewTextHandler(&text, nil))}
		read(t, s)
		told, stop := follow(t, s)
		defer stop()
		expect := func(what string, lines int64) {
			t.Helper()
			synctest.Wait()
			if got := int64(strings.Count(text.String(), "\n")); got != lines {
				t.Errorf("%s, the log says\n%s", what, &text)
			}
		}
		time.Sleep(time.Hour)
		expect("after watches of a minute", 0)
		lasts.Store(int64(time.Millisecond))
		time.Sleep(time.Hour)
		expect("after watches that do not last", 1)
		push(t, m, policies(t, 2), store.Meta{})
		time.Sleep(10 * time.Second)
		expectToldOf(t, "while no watch lasts", told)
		lasts.Store(int64(time.Minute))
		time.Sleep(time.Hour)
		expect("after watches that last again", 2)
	})
}
