package live_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"testing/fstest"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/file"
)

var _ live.Source = (*file.Source)(nil)

// policyFile is a file with one policy of that maxAge, which tells versions apart.
func policyFile(maxAge int) string {
	return fmt.Sprintf("policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://app.example.com\"]\n    maxAge: %d\n", maxAge)
}

const brokenFile = "policies:\n- name: api\n  cors:\n    allowOrigins: [\"https://app.example.com/\"]\n"

// memory is a source whose content a test sets.
type memory struct {
	mu        sync.Mutex
	content   string
	err       error
	snapshots int
	hold      chan struct{} // when set, each Snapshot waits for a value
	begun     chan struct{} // when set, each Snapshot says that it has begun
	fsys      func(content string) fs.FS
	watchErr  error

	changed chan func() // gives Watch's function
}

func (m *memory) set(content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.content = content
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.snapshots
}

func (m *memory) Snapshot(context.Context) (fs.FS, string, error) {
	m.mu.Lock()
	m.snapshots++
	content, err := m.content, m.err
	m.mu.Unlock()
	if m.begun != nil {
		m.begun <- struct{}{}
	}
	if m.hold != nil {
		<-m.hold
	}
	if m.fsys != nil {
		return m.fsys(content), "memory", err
	}
	return fstest.MapFS{"p.yaml": {Data: []byte(content)}}, "memory", err
}

func (m *memory) Watch(ctx context.Context, changed func()) error {
	if m.watchErr != nil {
		return m.watchErr
	}
	if m.changed != nil {
		m.changed <- changed
	}
	<-ctx.Done()
	return nil
}

// fickle is an FS that says it has changed, the first times it is asked.
type fickle struct {
	fs.FS
	changes *int
}

func (f fickle) Unchanged(context.Context) bool {
	*f.changes--
	return *f.changes < 0
}
