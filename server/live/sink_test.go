package live_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/live"
)

// sinkFunc is a sink that only prepares.
type sinkFunc func(*policy.Set) error

func (f sinkFunc) Prepare(set *policy.Set) (commit func(), err error) { return func() {}, f(set) }

func TestSinksPrepareEachGoodSetBeforeOneServesIt(t *testing.T) {
	src, serves := newMemory(policyFile(1)), &kept{}
	var prepared []*policy.Set
	prepares := sinkFunc(func(set *policy.Set) error {
		if serves.Load() == set {
			t.Error("the set serves already")
		}
		prepared = append(prepared, set)
		return nil
	})
	r := &live.Reloader{Source: src, Sinks: []live.Sink{serves, prepares}}
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
			if len(prepared) != c.sets || prepared[c.sets-1] != serves.Load() {
				t.Errorf("%d sets were prepared, want %d with the one that serves last", len(prepared), c.sets)
			}
		})
	}
}

// TestWhatASinkCannotPrepareServesNowhere refuses a second set.
func TestWhatASinkCannotPrepareServesNowhere(t *testing.T) {
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("out of cheese") },
		"a panic":  func() error { panic("out of cheese") },
	} {
		t.Run(name, func(t *testing.T) {
			src, first, last := newMemory(policyFile(1)), &kept{}, &kept{}
			fails := sinkFunc(func(*policy.Set) error {
				if first.Load() == nil {
					return nil
				}
				return fail()
			})
			r := &live.Reloader{Source: src, Sinks: []live.Sink{first, fails, last}}
			if err := r.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := first.Load()
			src.set(policyFile(2))
			var refused *live.LoadError
			if err := r.Load(t.Context()); !errors.As(err, &refused) || !strings.Contains(err.Error(), "out of cheese") {
				t.Errorf("Load: %v", err)
			}
			if first.Load() != before || last.Load() != before || r.Status().Generation != 1 {
				t.Error("the set serves nevertheless")
			}
		})
	}
}

// TestASetIsCompiledAfterTheOneThatServes holds that a policy that stays is the very one
// that serves, also after a set that a sink refused.
func TestASetIsCompiledAfterTheOneThatServes(t *testing.T) {
	var refuse error
	src, serves := newMemory(""), &kept{}
	r := &live.Reloader{Source: src, Sinks: []live.Sink{serves, sinkFunc(func(*policy.Set) error { return refuse })}}
	var first *policy.Answer
	for age, refused := range []error{nil, nil, errors.New("out of cheese"), nil} {
		refuse = refused
		src.set(policyFile(age) + "- name: stays\n  hosts: [stays.example.com]\n  cors: {allowOrigins: [\"" + app + "\"]}\n")
		if err := r.Load(t.Context()); (err == nil) != (refused == nil) {
			t.Fatalf("Load: %v", err)
		}
		p, _ := serves.Load().Policy("stays")
		if first == nil {
			first = p.Answers.Allowed
		}
		if p.Answers.Allowed != first {
			t.Errorf("load %d compiled a policy again that had not changed", age)
		}
	}
}
