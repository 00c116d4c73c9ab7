package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// fork returns a store that was set back to revision 1 and has other releases up to 5, and
// the one at revision 3 that it was before.
func fork(t *testing.T) (forked, before *storetest.Memory) {
	t.Helper()
	forked = memory(t, 1)
	before = forked.Copy()
	for age := 2; age < 4; age++ {
		push(t, before, policies(t, age), store.Meta{})
	}
	for age := 12; age < 16; age++ {
		push(t, forked, policies(t, age), store.Meta{})
	}
	return forked, before
}

// announce has an instance report itself.
func announce(t *testing.T, b store.Backend, name string, i store.Instance) {
	t.Helper()
	data, err := json.Marshal(struct {
		V int `json:"v"`
		store.Instance
	}{1, i})
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, "i/now/"+name, data)
}

// TestAForkIsNotFollowedAfterACollection has the store forget in what it differs.
func TestAForkIsNotFollowedAfterACollection(t *testing.T) {
	forked, before := fork(t)
	b := &storetest.Losable{Backend: before}
	told := 0
	s := &store.Source{Backend: b, OnLost: func() { told++ }}
	served := read(t, s).Release
	b.Backend = forked
	_, err := s.Read(t.Context())
	expectCode(t, "the fork", err, store.CodeRegressed)
	collect(t, forked, 1)
	for who, s := range map[string]*store.Source{"who follows": s, "who starts again": {Backend: b, Served: served, Lost: true}} {
		for range 2 {
			_, err := s.Read(t.Context())
			expectCode(t, who+", after a collection", err, store.CodeRegressed)
		}
	}
	if told != 1 {
		t.Errorf("told %d times that the store has lost releases, want once", told)
	}
	// What the store shows to go on is followed.
	b.Backend = before
	push(t, before, policies(t, 4), store.Meta{})
	read(t, s)
	push(t, before, policies(t, 5), store.Meta{})
	push(t, before, policies(t, 6), store.Meta{})
	collect(t, before, 1)
	if r := read(t, s); r.Release.Revision != 6 {
		t.Errorf("read revision %d", r.Release.Revision)
	}
}

// TestTheRecordOfAForkIsNoProof has a store keep records that its target does not lead to,
// as a folder that a backup was copied over does.
func TestTheRecordOfAForkIsNoProof(t *testing.T) {
	forked, before := fork(t)
	served := read(t, &store.Source{Backend: before}).Release
	for key, o := range objects(t, before) {
		if strings.HasPrefix(key, "w/log/") {
			put(t, forked, key, o.Value)
		}
	}
	_, err := (&store.Source{Backend: forked, Served: served}).Read(t.Context())
	expectCode(t, "the fork", err, store.CodeRegressed)
}

// TestFleetsSayHowInstancesStand has instances of a fork beside those of the store.
func TestFleetsSayHowInstancesStand(t *testing.T) {
	forked, before := fork(t)
	serves := func(b store.Backend, revision uint64) live.Release { return pull(t, b, revision).Release }
	strange := serves(before, 3)
	strange.Epoch = strings.Repeat("e", 32)
	refusing := store.Instance{Serves: serves(forked, 2), Refused: store.CodeRegressed}
	instances := map[string]store.Instance{
		"a": {Serves: serves(forked, 5), Ready: true}, "b": {Serves: serves(forked, 2)}, "c": {Serves: serves(before, 3)},
		"d": {Serves: strange}, "e": {}, "f": {Serves: serves(forked, 1), Standing: "a lie"}, "g": refusing,
	}
	later := serves(forked, 5)
	later.Revision = 6
	instances["h"] = store.Instance{Serves: later}
	for name, i := range instances {
		announce(t, forked, name, i)
	}
	expectStandings := func(what string, lost string, want map[string]store.Standing) {
		t.Helper()
		f, err := store.ReadFleet(t.Context(), forked)
		if err != nil || f.Damaged != nil || f.Now.Revision < 5 {
			t.Fatalf("%s: %+v, %v", what, f, err)
		}
		got, names := map[string]store.Standing{}, ""
		for _, i := range f.Instances {
			got[i.Name] = i.Standing
		}
		for _, i := range f.Lost() {
			names += i.Name
		}
		if !maps.Equal(got, want) || names != lost {
			t.Errorf("%s: they stand %v, and %s do not go on; want %v, and %s", what, got, names, want, lost)
		}
	}
	expectStandings("before a collection", "cdh", map[string]store.Standing{
		"a": "same", "b": "behind", "c": "forked", "d": "lost-epoch", "e": "", "f": "behind", "g": "behind", "h": "ahead",
	})
	collect(t, forked, 1)
	expectStandings("after it", "dgh", map[string]store.Standing{
		"a": "same", "b": "collected", "c": "collected", "d": "lost-epoch", "e": "", "f": "collected", "g": "collected", "h": "ahead",
	})
	put(t, forked, "w/target", []byte("x"))
	f, err := store.ReadFleet(t.Context(), forked)
	if err != nil || live.CodeOf(f.Damaged) != store.CodeTarget || len(f.Instances) != len(instances) || len(f.Lost()) > 0 {
		t.Errorf("of a damaged store: %+v, %v", f, err)
	}
	away := &storetest.Losable{Backend: forked}
	away.Lost.Store(true)
	_, err = store.ReadFleet(t.Context(), away)
	expectCode(t, "of a store that is away", err, store.CodeUnreachable)
}

// slow is a backend that does not answer, and knows why.
type slow struct{ store.Backend }

func (slow) Get(ctx context.Context, _ ...string) ([]store.Object, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("%w: connection refused", ctx.Err())
}

func TestADeadlineDoesNotHideWhyTheStoreIsAway(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := store.ReadFleet(late, slow{})
	expectCode(t, "ReadFleet with a deadline", err, store.CodeUnreachable)
	if !strings.Contains(err.Error(), "connection refused; check its address") {
		t.Errorf("it does not say why: %v", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := store.ReadFleet(left, slow{}); err != context.Canceled { //nolint:errorlint // it is that alone
		t.Errorf("ReadFleet of who has left: %v", err)
	}
}
