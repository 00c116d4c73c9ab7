package live_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/live"
)

func TestReloaderPreparesEachGoodSetBeforeItServes(t *testing.T) {
	store := &policy.Store{}
	src := &memory{content: policyFile(1)}
	var prepared []*policy.Set
	r := &live.Reloader{Source: src, Store: store, Prepare: func(set *policy.Set) {
		if store.Load() == set {
			t.Error("the set serves already")
		}
		prepared = append(prepared, set)
	}}
	for _, c := range []struct {
		name    string
		content string
		ok      bool
		sets    int // that were prepared after it
	}{
		{"the first set", policyFile(1), true, 1},
		{"the same content", policyFile(1), true, 1},
		{"a broken one", brokenFile, false, 1},
		{"another set", policyFile(2), true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			src.set(c.content)
			if err := r.Load(t.Context()); (err == nil) != c.ok {
				t.Fatalf("Load: %v", err)
			}
			if len(prepared) != c.sets || prepared[c.sets-1] != store.Load() {
				t.Errorf("%d sets were prepared, want %d with the one that serves last", len(prepared), c.sets)
			}
		})
	}
}

func TestReloaderRefusesASetWhosePreparationPanics(t *testing.T) {
	store := &policy.Store{}
	r := &live.Reloader{Source: &memory{content: policyFile(1)}, Store: store, Prepare: func(*policy.Set) { panic("out of cheese") }}
	var refused *live.LoadError
	if err := r.Load(t.Context()); !errors.As(err, &refused) || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("Load: %v", err)
	}
	if store.Load() != nil {
		t.Error("the set serves nevertheless")
	}
}
