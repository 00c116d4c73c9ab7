package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/server/store"
)

// Memory is a backend in memory, with which tests can do what they like. It is safe for
// concurrent use; the zero Memory is empty.
type Memory struct {
	mu      sync.Mutex
	count   int
	objects map[string]held
	changed chan struct{} // closed at the next change, if somebody waits
}

type held struct {
	value   []byte
	version string
	end     time.Time // zero if it stays
}

var _ store.Backend = (*Memory)(nil)

// do calls f while nobody else uses the objects, unless ctx has ended.
func (m *Memory) do(ctx context.Context, f func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	maps.DeleteFunc(m.objects, func(_ string, h held) bool { return !h.end.IsZero() && h.end.Before(time.Now()) })
	f()
	return nil
}

// set puts an object; end is the zero time if it stays.
func (m *Memory) set(key string, value []byte, end time.Time) {
	if m.objects == nil {
		m.objects = map[string]held{}
	}
	m.count++
	m.objects[key] = held{append([]byte{}, value...), fmt.Sprint(m.count), end}
	m.wake()
}

func (m *Memory) wake() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// Get is store.Backend's.
func (m *Memory) Get(ctx context.Context, keys ...string) (objects []store.Object, err error) {
	err = m.do(ctx, func() {
		for _, key := range keys {
			if h, ok := m.objects[key]; ok {
				objects = append(objects, store.Object{Key: key, Value: bytes.Clone(h.value), Version: h.version})
			}
		}
	})
	return objects, err
}

// List is store.Backend's.
func (m *Memory) List(ctx context.Context, prefix string) (objects []store.Object, err error) {
	err = m.do(ctx, func() {
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			if strings.HasPrefix(key, prefix) {
				objects = append(objects, store.Object{Key: key, Version: m.objects[key].version})
			}
		}
	})
	return objects, err
}

// Put is store.Backend's.
func (m *Memory) Put(ctx context.Context, objects []store.Object) error {
	return m.do(ctx, func() {
		for _, o := range objects {
			m.set(o.Key, o.Value, time.Time{})
		}
	})
}

// Swap is store.Backend's.
func (m *Memory) Swap(ctx context.Context, objects []store.Object) (ok bool, err error) {
	err = m.do(ctx, func() {
		if ok = m.objects[objects[0].Key].version == objects[0].Version; ok {
			for _, o := range objects {
				m.set(o.Key, o.Value, time.Time{})
			}
		}
	})
	return ok, err
}

// Delete is store.Backend's.
func (m *Memory) Delete(ctx context.Context, objects []store.Object) error {
	return m.do(ctx, func() {
		for _, o := range objects {
			if h, ok := m.objects[o.Key]; ok && cmp.Or(o.Version, h.version) == h.version {
				delete(m.objects, o.Key)
				m.wake()
			}
		}
	})
}

// Watch is store.Backend's.
func (m *Memory) Watch(ctx context.Context, key string, tell func(value []byte)) error {
	for last, first := "", true; ; first = false {
		var next chan struct{}
		var now held
		err := m.do(ctx, func() {
			now = m.objects[key]
			if m.changed == nil {
				m.changed = make(chan struct{})
			}
			next = m.changed
		})
		if err != nil {
			return nil
		}
		if first || now.version != last {
			tell(bytes.Clone(now.value))
			last = now.version
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
	}
}

// Announce is store.Backend's.
func (m *Memory) Announce(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return m.do(ctx, func() { m.set(key, value, time.Now().Add(ttl)) })
}

// Close is store.Backend's.
func (m *Memory) Close() error { return nil }

// Copy returns a memory of the same objects with the same versions, as a backup is.
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{count: m.count, objects: maps.Clone(m.objects)}
}
