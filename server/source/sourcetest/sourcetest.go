// Package sourcetest tests that a source of policies does what [live.Source] says.
package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
)

// Held is a source, with functions by which a test changes its content.
type Held struct {
	Source live.Source
	// Put makes the source have the policies of this policy file, all at once and nothing
	// else. After that the source can be read.
	Put func(t testing.TB, text string)
	// Place is the file that diagnostics of these policies name.
	Place string
	// Lose makes the source unreadable.
	Lose func(t testing.TB)
	// Advice is the part of the error that says what to do if the source is unreadable.
	Advice string
}

// Test tests sources. Each test makes a source with hold, which may use t.Cleanup to end
// what it starts.
func Test(t *testing.T, hold func(t *testing.T) *Held) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h *Held)
	}{
		{"Read returns what was put", readsWhatWasPut},
		{"Read tells warnings with their place", tellsWarnings},
		{"Read tells mistakes with their place", tellsMistakes},
		{"Read says what to do if it cannot", saysWhatToDo},
		{"Read ends with its context", readEnds},
		{"Read is safe for concurrent use", readsAtTheSameTime},
		{"Watch tells of a change, and of the next", tellsChanges},
		{"Watch tells of a change before it", tellsEarlierChange},
		{"Watch tells of what is back", tellsWhatIsBack},
		{"Watch tells of what could not be read at first", tellsWhatComes},
		{"Watch is silent about the same content", isSilent},
		{"Watch ends with its context", watchEnds},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, hold(t)) })
	}
}

// version returns a policy file whose policies differ for each n.
func version(n int) string {
	return fmt.Sprintf("policies:\n- name: api\n  cors: {allowOrigins: [\"https://app.example.com\"], maxAge: %d}\n", n)
}

// hash returns the hash of what a good policy file says.
func hash(text string) string {
	return policyfile.Load(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "").Policies.Hash()
}

// read reads policies and returns their hash. If they are not good, the test fails, and
// the hash is empty.
func (h *Held) read(t testing.TB) string {
	t.Helper()
	res, err := h.Source.Read(servertest.Context(t))
	if err != nil || res.HasErrors() || res.Policies == nil {
		t.Errorf("Read: %+v, %v, want policies", res, err)
		return ""
	}
	return res.Policies.Hash()
}

// putAndRead puts a version and reads it.
func (h *Held) putAndRead(t testing.TB, n int) {
	t.Helper()
	h.Put(t, version(n))
	if got := h.read(t); got != hash(version(n)) {
		t.Fatalf("read other policies than version %d", n)
	}
}

// watch watches until the test ends. The channel has a value if a change was reported
// since the last receive.
func (h *Held) watch(t *testing.T) (told <-chan struct{}) {
	t.Helper()
	notices := make(chan struct{}, 1)
	servertest.Run(t, func(ctx context.Context) error {
		return h.Source.Watch(ctx, func() {
			select {
			case notices <- struct{}{}:
			default:
			}
		})
	})
	return notices
}

// await reads whenever Watch reports a change, until it reads version n.
func (h *Held) await(t *testing.T, told <-chan struct{}, n int) {
	t.Helper()
	patience := time.After(servertest.Patience)
	for {
		select {
		case <-told:
			if h.read(t) == hash(version(n)) {
				return
			}
		case <-patience:
			t.Fatal("waited in vain for Watch to tell of a change")
		}
	}
}

func readsWhatWasPut(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	h.putAndRead(t, 2)
	res, err := h.Source.Read(servertest.Context(t))
	if err != nil || len(res.Diagnostics) > 0 {
		t.Errorf("Read: %v, %v, want no diagnostics", res.Diagnostics, err)
	}
}

func tellsWarnings(t *testing.T, h *Held) {
	text := strings.Replace(version(1), "[\"", "[\"https://app.example.com\", \"", 1)
	h.Put(t, text)
	if got := h.read(t); got != hash(text) {
		t.Error("read other policies than what was put")
	}
	h.expectDiagnostic(t, "origin-redundant")
}

func tellsMistakes(t *testing.T, h *Held) {
	h.Put(t, strings.Replace(version(1), ".com", ".com/", 1))
	h.expectDiagnostic(t, "origin-trailing-slash")
	if res, _ := h.Source.Read(servertest.Context(t)); res.Policies != nil {
		t.Error("read policies, and they have an error")
	}
}

// expectDiagnostic reads, and wants exactly one diagnostic.
func (h *Held) expectDiagnostic(t *testing.T, code string) {
	t.Helper()
	res, err := h.Source.Read(servertest.Context(t))
	if err != nil || len(res.Diagnostics) != 1 {
		t.Fatalf("Read: %v, %v, want one diagnostic", res.Diagnostics, err)
	}
	if d := res.Diagnostics[0]; d.File != h.Place || d.Line < 1 || d.Column < 1 || d.Code != code {
		t.Errorf("Read: %s, want %s at a place in %s", d, code, h.Place)
	}
}

func saysWhatToDo(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	h.Lose(t)
	res, err := h.Source.Read(servertest.Context(t))
	if err == nil || h.Advice == "" || !strings.Contains(err.Error(), h.Advice) {
		t.Errorf("Read: %v, want an error with the advice %q", err, h.Advice)
	}
	if res.Policies != nil || len(res.Diagnostics) > 0 {
		t.Errorf("Read: %+v besides the error", res)
	}
	h.putAndRead(t, 2)
}

func readEnds(t *testing.T, h *Held) {
	h.Put(t, version(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := h.Source.Read(ctx); !errors.Is(err, context.Canceled) || res.Policies != nil {
		t.Errorf("Read: %+v, %v, want why its context ended", res, err)
	}
	if got := h.read(t); got != hash(version(1)) {
		t.Error("then read other policies than what was put")
	}
}

// LoadEnds has a context end while policies are judged that r reads, of which there are
// manyFiles at least.
func LoadEnds(t *testing.T, r live.Reader) {
	t.Helper()
	ctx, end := context.WithCancel(servertest.Context(t))
	defer end()
	if res, err := r.Read(&ending{Context: ctx, end: end}); !errors.Is(err, context.Canceled) || res.Policies != nil {
		t.Errorf("Read: %+v, %v, want why its context ended", res, err)
	}
	if res, err := r.Read(servertest.Context(t)); err != nil || res.Policies == nil {
		t.Errorf("Read again: %+v, %v, want policies", res, err)
	}
}

const manyFiles = 100

// ManyFiles returns policies of as many files as LoadEnds needs.
func ManyFiles() (files []live.File) {
	for i := range manyFiles {
		files = append(files, live.File{
			Name: fmt.Sprintf("p%d.yaml", i),
			Data: fmt.Appendf(nil, "policies: [{name: p%d, hosts: [h%[1]d.example.com], cors: {allowOrigins: [\"https://app.example.com\"]}}]\n", i),
		})
	}
	return files
}

// ending is a context that ends when it was asked often whether it has.
type ending struct {
	context.Context
	asked atomic.Int64
	end   context.CancelFunc
}

func (e *ending) Err() error {
	if e.asked.Add(1) > manyFiles/2 {
		e.end()
	}
	return e.Context.Err()
}

// readsAtTheSameTime lets several readers read until each has seen the next version.
func readsAtTheSameTime(t *testing.T, h *Held) {
	end := time.Now().Add(servertest.Patience)
	h.Put(t, version(1))
	before, after := hash(version(1)), hash(version(2))
	h.watch(t)
	var first, all sync.WaitGroup
	for range 4 {
		first.Add(1)
		all.Go(func() {
			got := h.read(t)
			for first.Done(); got == before && time.Now().Before(end); {
				got = h.read(t)
			}
			if got != after {
				t.Errorf("at last read %s, want what was put at last", got)
			}
		})
	}
	first.Wait()
	h.Put(t, version(2))
	all.Wait()
}

func tellsChanges(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	told := h.watch(t)
	for n := 2; n < 5; n++ {
		h.Put(t, version(n))
		h.await(t, told, n)
	}
}

func tellsEarlierChange(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	h.Put(t, version(2))
	h.await(t, h.watch(t), 2)
}

// tellsWhatIsBack puts content back that an earlier Read had, but not the last one.
func tellsWhatIsBack(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	h.Lose(t)
	if _, err := h.Source.Read(servertest.Context(t)); err == nil {
		t.Fatal("read what is lost")
	}
	told := h.watch(t)
	h.Put(t, version(1))
	h.await(t, told, 1)
}

// tellsWhatComes puts something after a first Read in vain.
func tellsWhatComes(t *testing.T, h *Held) {
	h.Lose(t)
	if _, err := h.Source.Read(servertest.Context(t)); err == nil {
		t.Fatal("read what is not there")
	}
	told := h.watch(t)
	h.Put(t, version(1))
	h.await(t, told, 1)
}

// isSilent waits a little for a notice that must not come. On a busy machine it may miss
// a wrong notice, but it never fails because of a right one.
func isSilent(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	told := h.watch(t)
	h.Put(t, version(1))
	time.Sleep(200 * time.Millisecond)
	select {
	case <-told:
		t.Error("told, and there was the same to be read")
	default:
	}
	h.Put(t, version(2))
	h.await(t, told, 2)
}

func watchEnds(t *testing.T, h *Held) {
	h.putAndRead(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Source.Watch(ctx, func() {}); err != nil {
		t.Errorf("Watch: %v, want nil when its context ends", err)
	}
	h.watch(t) // which ends while it waits
}
