package live_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/sourcetest"
)

// policyFile is a file with one policy of that maxAge, which tells versions apart.
func policyFile(maxAge int) string {
	return fmt.Sprintf("policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://app.example.com\"]\n    maxAge: %d\n", maxAge)
}

const brokenFile = "policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://app.example.com/\"]\n"

// held is what a memory holds: a policy file, or why there is none.
type held struct {
	content string
	err     error
}

// memory is a source whose content a test sets.
type memory struct {
	mu    sync.Mutex
	now   held
	read  held          // at the last Read
	reads int           // so far
	next  chan struct{} // closed when it is set, if Watch waits
}

func newMemory(content string) *memory { return &memory{now: held{content: content}} }

func (m *memory) set(content string) { m.hold(held{content: content}) }

func (m *memory) hold(h held) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = h
	if m.next != nil {
		close(m.next)
		m.next = nil
	}
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

func (m *memory) Read(ctx context.Context) (live.Reading, error) {
	if err := ctx.Err(); err != nil {
		return live.Reading{}, err
	}
	m.mu.Lock()
	m.reads++
	m.read = m.now
	h := m.read
	m.mu.Unlock()
	if h.err != nil {
		return live.Reading{}, h.err
	}
	return live.Reading{Result: policyfile.Load(fstest.MapFS{"p.yaml": {Data: []byte(h.content)}}, "memory")}, nil
}

func (m *memory) Watch(ctx context.Context, changed func()) error {
	for {
		next, differs := m.await()
		if differs {
			changed()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
	}
}

// await returns what is closed when m is set, and whether it holds something else
// than was read.
func (m *memory) await() (next <-chan struct{}, differs bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = make(chan struct{})
	}
	return m.next, m.now != m.read
}

func TestMemory(t *testing.T) {
	sourcetest.Test(t, func(*testing.T) *sourcetest.Held {
		m := &memory{}
		return &sourcetest.Held{
			Source: m,
			Put:    func(_ testing.TB, text string) { m.set(text) },
			Place:  filepath.Join("memory", "p.yaml"),
			Lose:   func(testing.TB) { m.hold(held{err: errors.New("nothing is held; set it")}) },
			Advice: "set it",
		}
	})
}

// steered is a memory of which a test decides when a Read ends and what Watch
// tells.
type steered struct {
	*memory
	begun   chan struct{} // each Read says that it has begun
	end     chan struct{} // each Read waits for a value
	changed chan func()   // gives Watch's function
}

func newSteered(content string) *steered {
	return &steered{
		memory: newMemory(content),
		begun:  make(chan struct{}, 100), end: make(chan struct{}), changed: make(chan func(), 1),
	}
}

func (s *steered) Read(ctx context.Context) (live.Reading, error) {
	res, err := s.memory.Read(ctx)
	s.begun <- struct{}{}
	select {
	case <-s.end:
		return res, err
	case <-ctx.Done():
		return live.Reading{}, ctx.Err()
	}
}

func (s *steered) Watch(ctx context.Context, changed func()) error {
	s.changed <- changed
	<-ctx.Done()
	return nil
}

// faulty is a source that only has faults.
type faulty struct {
	read  func() (live.Reading, error)
	watch error
}

func (f faulty) Read(context.Context) (live.Reading, error) { return f.read() }

func (f faulty) Watch(context.Context, func()) error { return f.watch }
