package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/sourcetest"
	"github.com/corsgate/corsgate/server/store"
)

// Losable is a backend that can be out of reach.
type Losable struct {
	store.Backend
	Lost atomic.Bool
}

var errLost = errors.New("no route to host")

// Get is Backend's.
func (l *Losable) Get(ctx context.Context, keys ...string) ([]store.Object, error) {
	if l.Lost.Load() {
		return nil, errLost
	}
	return l.Backend.Get(ctx, keys...)
}

// Watch is Backend's.
func (l *Losable) Watch(ctx context.Context, key string, tell func([]byte)) error {
	if l.Lost.Load() {
		return errLost
	}
	return l.Backend.Watch(ctx, key, tell)
}

// UnitsOf returns the units of a policy file, or if it has mistakes, one unit that has
// them.
func UnitsOf(text string) []policyfile.Unit {
	units, res := policyfile.Cut(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "")
	if res.HasErrors() {
		return []policyfile.Unit{{Kind: policyfile.UnitPolicy, Name: "api", Data: []byte(text)}}
	}
	return units
}

// TestSource tests the source that follows a backend, a new one for each test. It pushes
// what is put, also what a push would not take.
func TestSource(t *testing.T, open func(t *testing.T) store.Backend) {
	sourcetest.Test(t, func(t *testing.T) *sourcetest.Held {
		b := &Losable{Backend: open(t)}
		return &sourcetest.Held{
			Source: &store.Source{Backend: b, Place: "edge"},
			Put: func(t testing.TB, text string) {
				b.Lost.Store(false)
				if _, err := store.Push(servertest.Context(t), b, UnitsOf(text), store.Meta{}); err != nil {
					t.Fatal(err)
				}
			},
			Place:  "edge/policy-api.json",
			Lose:   func(testing.TB) { b.Lost.Store(true) },
			Advice: "check its address",
		}
	})
}
