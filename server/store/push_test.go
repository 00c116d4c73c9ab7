package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

func TestReleasesFollowOneAnother(t *testing.T) {
	m := &storetest.Memory{}
	if now, err := store.Current(t.Context(), m); err != nil || now.Revision != 0 {
		t.Errorf("Current of an empty store: %+v, %v", now, err)
	}
	first := push(t, m, policies(t, 1, 2), store.Meta{By: "ann", Message: "first"})
	second := push(t, m, policies(t, 1, 3, 4), store.Meta{By: "bob"})
	third := push(t, m, policies(t, 1), store.Meta{By: "ann"})
	for i, p := range []store.Pushed{first, second, third} {
		if p.Revision != uint64(i+1) || p.Epoch != first.Epoch || p.Unchanged || len(p.Hash) != 64 || time.Since(p.At) > time.Hour {
			t.Errorf("release %d: %+v", i+1, p)
		}
	}
	history, err := store.History(t.Context(), m, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range history {
		got = append(got, fmt.Sprint(i.Revision, " ", i.By, " ", i.Message, " ", i.Units, " ", i.Added, i.Changed, i.Removed))
	}
	if want := []string{
		"3 ann  2 [] [] [policy p1 policy p2]",
		"2 bob  4 [policy p2] [policy p1] []",
		"1 ann first 3 [group apps policy p0 policy p1] [] []",
	}; !slices.Equal(got, want) {
		t.Errorf("History: %q, want %q", got, want)
	}
	if few, err := store.History(t.Context(), m, 2); err != nil || len(few) != 2 || few[0].Hash != third.Hash {
		t.Errorf("History of 2: %+v, %v", few, err)
	}
	if now, err := store.Current(t.Context(), m); err != nil || now.Ref() != third.Ref() {
		t.Errorf("Current: %+v, %v", now, err)
	}
	expectContent(t, m, 0, policies(t, 1))
	expectContent(t, m, 1, policies(t, 1, 2))
	expectContent(t, m, 2, policies(t, 1, 3, 4))
	for _, revision := range []uint64{4, 99} {
		if _, err := store.Pull(t.Context(), m, revision); err == nil || !strings.Contains(err.Error(), "the newest is 3") {
			t.Errorf("Pull of revision %d: %v", revision, err)
		}
	}
}

func TestTheSamePoliciesMakeNoRelease(t *testing.T) {
	m := memory(t, 1)
	before := objects(t, m)
	if p := push(t, m, policies(t, 1, 1), store.Meta{By: "bob"}); !p.Unchanged || p.Revision != 1 || p.By != "ann" {
		t.Errorf("Push of the same: %+v", p)
	}
	if after := objects(t, m); len(after) != len(before) {
		t.Errorf("%d objects have become %d", len(before), len(after))
	}
}

// TestNoPoliciesAreARelease is also about the first release of a store.
func TestNoPoliciesAreARelease(t *testing.T) {
	m := &storetest.Memory{}
	none := cut(t, "policies: []")
	if p := push(t, m, none, store.Meta{}); p.Revision != 1 || p.Unchanged {
		t.Errorf("Push of nothing: %+v", p)
	}
	expectContent(t, m, 0, none)
}

func TestAPushIsRefusedIfAnotherCameBefore(t *testing.T) {
	m := &storetest.Memory{}
	nothing := store.Ref{}
	first := push(t, m, policies(t, 1), store.Meta{Base: &nothing})
	base := first.Ref()
	second := push(t, m, policies(t, 2), store.Meta{By: "ann", Message: "two", Base: &base})
	for name, base := range map[string]store.Ref{"the release before": base, "an empty store": nothing, "the same revision elsewhere": {Revision: 2, Hash: first.Hash}} {
		_, err := store.Push(t.Context(), m, policies(t, 3), store.Meta{Base: &base})
		conflict, ok := errors.AsType[*store.Conflict](err)
		if !ok || conflict.Now.Ref() != second.Ref() || !strings.Contains(err.Error(), `revision 2 was pushed meanwhile by "ann"`) {
			t.Errorf("%s: %v, want a conflict that names ann", name, err)
		}
	}
	_, err := store.Push(t.Context(), &storetest.Memory{}, policies(t, 3), store.Meta{Base: &base})
	if conflict, ok := errors.AsType[*store.Conflict](err); !ok || conflict.Now.Revision != 0 {
		t.Errorf("Push to an empty store: %v, want a conflict", err)
	}
	expectContent(t, m, 0, policies(t, 2))
}

// TestOfTwoPushesOneWins has each push read the store before one of them is taken.
func TestOfTwoPushesOneWins(t *testing.T) {
	m := memory(t, 1)
	const pushers = 4
	var ready sync.WaitGroup
	ready.Add(pushers)
	errs := make([]error, pushers)
	var all sync.WaitGroup
	for i := range pushers {
		b := &tampered{Backend: m, before: func(call string) error {
			if call == "Swap" {
				ready.Done()
				ready.Wait()
			}
			return nil
		}}
		all.Go(func() {
			_, errs[i] = store.Push(servertest.Context(t), b, policies(t, 10+i, 1), store.Meta{By: fmt.Sprint("pusher ", i)})
		})
	}
	all.Wait()
	now := pull(t, m, 0)
	winners := 0
	for i, err := range errs {
		if err == nil {
			winners++
			expectContent(t, m, 0, policies(t, 10+i, 1))
			continue
		}
		conflict, ok := errors.AsType[*store.Conflict](err)
		if !ok || conflict.Now.Ref() != now.Ref() || conflict.Now.By != now.By {
			t.Errorf("pusher %d: %v, want a conflict with %s", i, err, now.By)
		}
	}
	if winners != 1 || now.Revision != 2 {
		t.Errorf("%d pushes won, and revision %d serves", winners, now.Revision)
	}
}

// TestAPushThatIsKilledChangesNothingOrAll kills a push before each call of the store, and
// behind it.
func TestAPushThatIsKilledChangesNothingOrAll(t *testing.T) {
	killed := errors.New("killed")
	old, next := policies(t, 1, 1), policies(t, 2, 2, 3)
	for _, behind := range []bool{false, true} {
		for calls := 0; ; calls++ {
			m := memory(t, 1)
			left := calls
			b := &tampered{Backend: m}
			kill := func(string) error {
				if left--; left < 0 {
					return killed
				}
				return nil
			}
			if b.before = kill; behind {
				b.before, b.after = nil, kill
			}
			_, err := store.Push(t.Context(), b, next, store.Meta{})
			now := pull(t, m, 0)
			if got := content(now.Files); got != contentOf(old) && (got != contentOf(next) || now.Revision != 2) {
				t.Fatalf("killed after %d calls, revision %d has\n%s", calls, now.Revision, got)
			}
			if err == nil {
				if now.Revision != 2 {
					t.Fatalf("a push that was killed after %d calls says that it was taken", calls)
				}
			}
			again := push(t, m, next, store.Meta{})
			if again.Revision != 2 || again.Unchanged != (now.Revision == 2) {
				t.Fatalf("killed after %d calls, the next push: %+v", calls, again)
			}
			expectContent(t, m, 0, next)
			if left >= 0 {
				if calls < 8 {
					t.Errorf("a push makes only %d calls", calls)
				}
				break
			}
		}
	}
}

// TestALostAnswerIsLookedUp loses the answer to the swap alone.
func TestALostAnswerIsLookedUp(t *testing.T) {
	m := memory(t, 1)
	lose := func(call string) error {
		if call == "Swap" {
			return errors.New("connection reset")
		}
		return nil
	}
	p := push(t, &tampered{Backend: m, after: lose}, policies(t, 2, 1), store.Meta{})
	if p.Revision != 2 {
		t.Errorf("a push of which the answer was lost: %+v", p)
	}
	// Another push follows at once.
	b := &tampered{Backend: m, after: func(call string) error {
		if call == "Swap" {
			push(t, m, policies(t, 9, 1), store.Meta{})
		}
		return lose(call)
	}}
	if p := push(t, b, policies(t, 3, 1), store.Meta{}); p.Revision != 3 {
		t.Errorf("a push that another one followed: %+v", p)
	}
	other := &tampered{Backend: m, before: func(call string) error {
		if call == "Swap" {
			push(t, m, policies(t, 8, 1), store.Meta{By: "ann"})
		}
		return lose(call)
	}}
	_, err := store.Push(t.Context(), other, policies(t, 6, 1), store.Meta{})
	if conflict, ok := errors.AsType[*store.Conflict](err); !ok || conflict.Now.By != "ann" {
		t.Errorf("a push that did not arrive, and another one did: %v, want a conflict", err)
	}
	first := true
	once := &tampered{Backend: m, before: func(call string) error {
		if call != "Swap" || !first {
			return nil
		}
		first = false
		return lose(call)
	}}
	if p := push(t, once, policies(t, 4, 1), store.Meta{}); p.Revision != 6 {
		t.Errorf("a push that did not arrive at first: %+v", p)
	}
	_, err = store.Push(t.Context(), &tampered{Backend: m, before: lose}, policies(t, 5, 1), store.Meta{})
	if err == nil || !strings.Contains(err.Error(), "push again") {
		t.Errorf("a push that was not taken: %v", err)
	}
	expectContent(t, m, 0, policies(t, 4, 1))
}

// TestALargeChangeIsOneRelease is beyond what a record lists, and what it has inline.
func TestALargeChangeIsOneRelease(t *testing.T) {
	m := memory(t, 1)
	ages := make([]int, 2*2000+3)
	for i := range ages {
		ages[i] = 1000 + i
	}
	push(t, m, policies(t, ages...), store.Meta{})
	expectContent(t, m, 0, policies(t, ages...))
	for key, o := range objects(t, m) {
		if len(o.Value) > store.MaxUnit {
			t.Errorf("%s has %d bytes", key, len(o.Value))
		}
	}
	push(t, m, policies(t, 1, 1), store.Meta{})
	expectContent(t, m, 0, policies(t, 1, 1))
	history, err := store.History(t.Context(), m, 0)
	if err != nil || len(history) != 3 || len(history[1].Added) != len(ages)-2 || len(history[1].Changed) != 2 || len(history[0].Removed) != len(ages)-2 {
		t.Errorf("History: %d releases, %v", len(history), err)
	}
}

// incompressible returns origins that no compression makes small.
func incompressible(n int) string {
	var b strings.Builder
	sum := sha256.Sum256(nil)
	for range n {
		sum = sha256.Sum256(sum[:])
		fmt.Fprintf(&b, "https://%s.example.com\n", hex.EncodeToString(sum[:20]))
	}
	return b.String()
}

func TestAUnitThatIsTooLargeIsRefused(t *testing.T) {
	group := incompressible(60_000)
	text := "originGroups: {many: {file: many.txt}}\npolicies: [{name: api, cors: {allowOrigins: [\"group:many\"]}}]\n"
	units, res, err := store.Cut(fstest.MapFS{"p.yaml": {Data: []byte(text)}, "many.txt": {Data: []byte(group)}}, "")
	if res.HasErrors() || units != nil || err == nil || !strings.Contains(err.Error(), "the group many has ") || !strings.Contains(err.Error(), "split the group") {
		t.Errorf("Cut: %d units, %v", len(units), err)
	}
	// Who makes units by himself is told the same.
	many := []policyfile.Unit{{Kind: policyfile.UnitGroup, Name: "many", Data: []byte(group)}}
	m := &storetest.Memory{}
	if _, err := store.Push(t.Context(), m, many, store.Meta{}); err == nil || !strings.Contains(err.Error(), "split the group") || len(objects(t, m)) > 0 {
		t.Errorf("Push: %v, and %d objects", err, len(objects(t, m)))
	}
	for _, bad := range []policyfile.Unit{{Kind: "record", Name: "a"}, {Kind: policyfile.UnitGroup, Name: "../a"}, {Kind: policyfile.UnitPolicy}} {
		if _, err := store.Push(t.Context(), m, []policyfile.Unit{bad}, store.Meta{}); err == nil || !strings.Contains(err.Error(), "not the name of a unit") {
			t.Errorf("Push of %s %q: %v", bad.Kind, bad.Name, err)
		}
	}
	many[0].Kind, many[0].Data = policyfile.UnitPolicy, bytes.Repeat([]byte("a"), store.MaxUnitText+1)
	if _, err := store.Push(t.Context(), m, many, store.Meta{}); err == nil || !strings.Contains(err.Error(), "split the policy") {
		t.Errorf("Push of much text: %v", err)
	}
}

func TestCutTellsMistakes(t *testing.T) {
	units, res, err := store.Cut(fstest.MapFS{"p.yaml": {Data: []byte("policies: [{name: api, cors: {allowOrigins: [\"https://a.example/\"]}}]")}}, "dir")
	if units != nil || err != nil || len(res.Diagnostics) != 1 || res.Diagnostics[0].File != "dir/p.yaml" {
		t.Errorf("Cut: %v, %v, %v", units, res.Diagnostics, err)
	}
}

func TestRollback(t *testing.T) {
	m := memory(t, 1, 2, 3)
	p, err := store.Rollback(t.Context(), m, 1, store.Meta{By: "ann", Message: "back"})
	if err != nil || p.Revision != 4 || p.By != "ann" || fmt.Sprint(p.Changed) != "[policy p0]" {
		t.Errorf("Rollback to 1: %+v, %v", p, err)
	}
	expectContent(t, m, 0, policies(t, 1, 1))
	if p, err = store.Rollback(t.Context(), m, 0, store.Meta{}); err != nil || p.Revision != 5 {
		t.Errorf("Rollback: %+v, %v", p, err)
	}
	expectContent(t, m, 0, policies(t, 3, 1))
	if p, err = store.Rollback(t.Context(), m, 3, store.Meta{}); err != nil || !p.Unchanged || p.Revision != 5 {
		t.Errorf("Rollback to what serves: %+v, %v", p, err)
	}
	base := p.Ref()
	push(t, m, policies(t, 6, 1), store.Meta{})
	if _, err = store.Rollback(t.Context(), m, 1, store.Meta{Base: &base}); err == nil || !strings.Contains(err.Error(), "revision 6 was pushed meanwhile") {
		t.Errorf("Rollback after another push: %v", err)
	}
	for what, c := range map[string]struct {
		b        store.Backend
		revision uint64
		want     string
	}{
		"to the future":             {m, 9, "the newest is 6"},
		"of the first":              {memory(t, 1), 0, "no release before revision 1"},
		"of the first, to one more": {memory(t, 1), 2, "the newest is 1"},
		"of nothing":                {memory(t), 0, "corsgate push"},
	} {
		if _, err := store.Rollback(t.Context(), c.b, c.revision, store.Meta{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Rollback %s: %v, want %q", what, err, c.want)
		}
	}
}
