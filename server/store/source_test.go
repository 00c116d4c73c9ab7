package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/sourcetest"
	"github.com/corsgate/corsgate/server/store"
)

// losable is a backend that can be out of reach.
type losable struct {
	store.Backend
	lost atomic.Bool
}

var errLost = errors.New("no route to host")

func (l *losable) Get(ctx context.Context, keys ...string) ([]store.Object, error) {
	if l.lost.Load() {
		return nil, errLost
	}
	return l.Backend.Get(ctx, keys...)
}

func (l *losable) Watch(ctx context.Context, key string, tell func([]byte)) error {
	if l.lost.Load() {
		return errLost
	}
	return l.Backend.Watch(ctx, key, tell)
}

// unitsOf returns the units of a policy file, or if it has mistakes, one unit that has
// them.
func unitsOf(text string) []policyfile.Unit {
	units, res := policyfile.Cut(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "")
	if res.HasErrors() {
		return []policyfile.Unit{{Kind: policyfile.UnitPolicy, Name: "api", Data: []byte(text)}}
	}
	return units
}

// TestSource pushes what is put, also what a push would not take.
func TestSource(t *testing.T) {
	sourcetest.Test(t, func(t *testing.T) *sourcetest.Held {
		b := &losable{Backend: &store.Folder{Path: t.TempDir(), Poll: 5 * time.Millisecond}}
		return &sourcetest.Held{
			Source: &store.Source{Backend: b, Place: "edge"},
			Put: func(t testing.TB, text string) {
				b.lost.Store(false)
				if _, err := store.Push(servertest.Context(t), b, unitsOf(text), store.Meta{}); err != nil {
					t.Fatal(err)
				}
			},
			Place:  "edge/policy-api.json",
			Lose:   func(testing.TB) { b.lost.Store(true) },
			Advice: "check its address",
		}
	})
}
