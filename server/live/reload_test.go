package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/file"
)

// servedMaxAge asks the store as a browser would.
func servedMaxAge(t *testing.T, store *kept) string {
	t.Helper()
	d := store.Load().Decide(&policy.Request{Method: "OPTIONS", Authority: "a", Path: "/", Origin: app, RequestMethod: "GET"})
	for _, h := range d.Answer.Headers {
		if h.Name == "access-control-max-age" {
			return d.Value(h)
		}
	}
	return ""
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name        string
		source      live.Source
		want        string // in the error; empty means none
		diagnostics int
	}{
		{name: "good policies are served", source: newMemory(policyFile(1))},
		{name: "a mistake is told with its place", source: newMemory(brokenFile), want: "memory/p.yaml:4:20: error [origin-", diagnostics: 1},
		{name: "a source that cannot be read says why", source: faulty{read: func() (live.Reading, error) { return live.Reading{}, errors.New("no such luck") }}, want: "no such luck"},
		{
			name: "a panic is an error of this load", want: "panicked",
			source: faulty{read: func() (live.Reading, error) { panic("out of cheese") }},
		},
		{
			name: "no policies and no errors are an error", want: "neither policies nor errors",
			source: faulty{read: func() (live.Reading, error) { return live.Reading{}, nil }},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &logged{}
			r := &live.Reloader{Source: c.source, Sinks: []live.Sink{&kept{}}, Logger: log.logger()}
			err := r.Load(t.Context())
			if text := log.String(); strings.Contains(text, "level=ERROR") {
				t.Errorf("the caller tells the refusal, but it was logged:\n%s", text)
			}
			if _, checkErr := live.Check(t.Context(), c.source); (checkErr != nil) != (err != nil) {
				t.Errorf("Check: %v, but Load: %v", checkErr, err)
			}
			if (err != nil) != (c.want != "") {
				t.Fatalf("Load: %v", err)
			}
			if err == nil {
				return
			}
			var le *live.LoadError
			if !errors.As(err, &le) || len(le.Diagnostics) != c.diagnostics || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load: %#v, want a LoadError with %d diagnostics and %q", err, c.diagnostics, c.want)
			}
			if s := r.Status(); s.Ready || s.LastError == nil || keptBy(r).Load() != nil {
				t.Errorf("status after a refused load: %+v", s)
			}
		})
	}
}

func TestReloadKeepsTheLastGoodSet(t *testing.T) {
	log := &logged{}
	src := newMemory(policyFile(1))
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Logger: log.logger(), Version: "v1.2.3"}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, r.Run)
	first := r.Status()
	if !first.Ready || first.Generation != 1 || first.Policies != 1 || first.Hash != keptBy(r).Load().Hash() || first.Version != "v1.2.3" || first.LoadedAt.IsZero() {
		t.Errorf("status after the first load: %+v", first)
	}

	src.set(brokenFile)
	status, err := r.Reload(servertest.Context(t))
	var le *live.LoadError
	if !errors.As(err, &le) || len(le.Diagnostics) != 1 {
		t.Errorf("Reload of a broken file: %v", err)
	}
	if status.LastError == nil || len(status.LastError.Diagnostics) != 1 || status.Generation != 1 || !status.Ready {
		t.Errorf("status after a refused load: %+v", status)
	}
	if got := servedMaxAge(t, keptBy(r)); got != "1" {
		t.Errorf("served after a refused load: %s", got)
	}
	if text := log.String(); !strings.Contains(text, "memory/p.yaml:4:20") || !strings.Contains(text, "level=ERROR") {
		t.Errorf("the refusal's log:\n%s", text)
	}

	src.set(policyFile(2))
	status, err = r.Reload(servertest.Context(t))
	if err != nil || status.LastError != nil || status.Generation != 2 || status.Hash == first.Hash {
		t.Errorf("Reload of a mended file: %+v, %v", status, err)
	}
	if got := servedMaxAge(t, keptBy(r)); got != "2" {
		t.Errorf("served after a good load: %s", got)
	}
}

func TestReloadOfTheSameContentIsNoNewGeneration(t *testing.T) {
	src := newMemory(policyFile(1))
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, r.Run)
	set := keptBy(r).Load()
	src.set("# a comment\n" + policyFile(1))
	before := r.Status()
	status, err := r.Reload(servertest.Context(t))
	if err != nil || status != before || keptBy(r).Load() != set {
		t.Errorf("Reload: %+v, %v, want %+v", status, err, before)
	}
}

func TestReloadLogsWarningsOncePerLoad(t *testing.T) {
	log := &logged{}
	warned := strings.Replace(policyFile(1), "[\"", "[\"https://app.example.com\", \"", 1)
	r := &live.Reloader{Source: newMemory(warned), Sinks: []live.Sink{&kept{}}, Logger: log.logger()}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 {
		t.Errorf("log:\n%s", text)
	}
}

func TestReloadReportsALoadThatBeganAfterTheCall(t *testing.T) {
	synctest.Test(t, testReloadReportsALoadThatBeganAfterTheCall)
}

func testReloadReportsALoadThatBeganAfterTheCall(t *testing.T) {
	src := newSteered(policyFile(1))
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}}
	servertest.Run(t, r.Run)
	(<-src.changed)()
	<-src.begun // a load is under way and has read version 1
	src.set(policyFile(2))
	type verdict struct {
		status live.Status
		err    error
	}
	verdicts := make(chan verdict, 5)
	for range cap(verdicts) {
		go func() {
			status, err := r.Reload(servertest.Context(t))
			verdicts <- verdict{status, err}
		}()
	}
	synctest.Wait() // lets the callers wait, and so share a load
	close(src.end)
	for range cap(verdicts) {
		if v := <-verdicts; v.err != nil || v.status.Generation != 2 {
			t.Errorf("verdict: %+v, %v", v.status, v.err)
		}
	}
	if got := servedMaxAge(t, keptBy(r)); got != "2" {
		t.Errorf("served: %s", got)
	}
	if n := src.count(); n != 2 {
		t.Errorf("%d loads, want the one under way and one for all callers", n)
	}
}

func TestReloadOnNoticesAndSignals(t *testing.T) {
	signals := make(chan os.Signal, 1)
	src := newSteered(policyFile(1))
	close(src.end)
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Signals: signals}
	servertest.Run(t, r.Run)
	changed := <-src.changed
	for i, notice := range []func(){changed, func() { signals <- syscall.SIGHUP }, changed} {
		src.set(policyFile(i + 10))
		notice()
		servertest.Await(t, "generation", func() bool { return r.Status().Generation == uint64(i+1) })
	}
}

func TestReloadOfABurstIsFewLoads(t *testing.T) {
	src := newSteered(policyFile(1))
	r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}}
	servertest.Run(t, r.Run)
	changed := <-src.changed
	for range 50 {
		changed()
	}
	close(src.end)
	if _, err := r.Reload(servertest.Context(t)); err != nil {
		t.Fatal(err)
	}
	if n := src.count(); n > 3 {
		t.Errorf("%d loads for one burst", n)
	}
}

func TestReloadEnds(t *testing.T) {
	t.Run("with the caller's context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := (&live.Reloader{Source: &memory{}, Sinks: []live.Sink{&kept{}}}).Reload(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reload: %v", err)
		}
	})
	t.Run("with Run", func(t *testing.T) {
		r := &live.Reloader{Source: &memory{}, Sinks: []live.Sink{&kept{}}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if _, err := r.Reload(servertest.Context(t)); !errors.Is(err, live.ErrNotRunning) {
			t.Errorf("Reload: %v", err)
		}
	})
	t.Run("with Run, in the middle of a load", func(t *testing.T) {
		src, log := newSteered(policyFile(1)), &logged{}
		r := &live.Reloader{Source: src, Sinks: []live.Sink{&kept{}}, Logger: log.logger()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		go func() {
			<-src.begun
			cancel()
		}()
		if _, err := r.Reload(servertest.Context(t)); !errors.Is(err, live.ErrNotRunning) {
			t.Errorf("Reload: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if text := log.String(); text != "" {
			t.Errorf("the end of the service was logged as a refusal:\n%s", text)
		}
		if f := r.Status().LastError; f != nil {
			t.Errorf("the end of the service is a refusal: %+v", f)
		}
	})
	t.Run("with a source that cannot be watched", func(t *testing.T) {
		gone := errors.New("gone")
		r := &live.Reloader{Source: faulty{watch: gone}, Sinks: []live.Sink{&kept{}}}
		if err := r.Run(servertest.Context(t)); !errors.Is(err, gone) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestStatusAsJSON(t *testing.T) {
	r := &live.Reloader{Source: newMemory(brokenFile), Sinks: []live.Sink{&kept{}}, Version: "v1"}
	if err := r.Load(t.Context()); err == nil {
		t.Fatal("loaded")
	}
	body, err := json.Marshal(r.Status())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version    string
		Ready      *bool
		Generation *int
		Policies   *int
		LastError  struct {
			Message     string
			Diagnostics []struct {
				File, Code, Level string
				Line              int
			}
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if got.Version != "v1" || got.Ready == nil || got.Generation == nil || got.Policies == nil || len(got.LastError.Diagnostics) != 1 {
		t.Fatalf("status: %s", body)
	}
	if d := got.LastError.Diagnostics[0]; d.File != filepath.Join("memory", "p.yaml") || d.Line != 4 || d.Level != "error" || d.Code == "" {
		t.Errorf("diagnostic: %+v", d)
	}
}

// TestReloadOfFilesWhileDeciding is for the race detector, and that no
// confirmed reload is followed by an older answer.
func TestReloadOfFilesWhileDeciding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	write := func(maxAge int) {
		if err := os.WriteFile(path, []byte(policyFile(maxAge)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	store := &kept{}
	r := &live.Reloader{Source: &file.Source{Path: path, Settle: time.Millisecond}, Sinks: []live.Sink{store}}
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, r.Run)
	done := make(chan struct{})
	var deciding sync.WaitGroup
	defer deciding.Wait()
	defer close(done)
	for range 4 {
		deciding.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					store.Load().Decide(&policy.Request{Method: "GET", Authority: "a", Path: "/", Origin: app})
				}
			}
		})
	}
	for i := 2; i < 30; i++ {
		write(i)
		if _, err := r.Reload(servertest.Context(t)); err != nil {
			t.Fatal(err)
		}
		if got := servedMaxAge(t, store); got != fmt.Sprint(i) {
			t.Fatalf("served %s after the reload of %d", got, i)
		}
	}
	write(99)
	servertest.Await(t, "the notice of the last write", func() bool { return servedMaxAge(t, store) == "99" })
}

type watcherFunc func() (loaded func(live.Load))

func (f watcherFunc) Loading() (loaded func(live.Load)) { return f() }

func TestTheReloaderTellsOfEachLoad(t *testing.T) {
	var loads []live.Load
	src := &memory{}
	src.set(policyFile(1))
	begun := 0
	w := watcherFunc(func() func(live.Load) {
		begun++
		return func(l live.Load) {
			if loads = append(loads, l); begun != len(loads) {
				t.Errorf("told of the end of load %d when %d had begun", len(loads), begun)
			}
		}
	})
	r := &live.Reloader{Source: src, Watchers: []live.Watcher{w}}
	for _, content := range []string{policyFile(1), policyFile(1), "no policies", policyFile(2)} {
		src.set(content)
		_ = r.Load(t.Context()) // which is what is told
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_ = r.Load(ended)
	var got []string
	for _, l := range loads {
		if l.At.IsZero() || l.Took <= 0 {
			t.Errorf("began at %v and took %v", l.At, l.Took)
		}
		got = append(got, fmt.Sprint(l.Changed, l.Err != nil, l.Cut, l.Status.Generation, l.Status.LastError != nil))
	}
	if want := []string{"true false false 1 false", "false false false 1 false", "false true false 1 true", "true false false 2 false", "false true true 2 false"}; !slices.Equal(got, want) {
		t.Errorf("told of %q, want %q", got, want)
	}
}
