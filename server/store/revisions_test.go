package store_test

import (
	"math"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// TestRevisionsHaveABound has the highest revision that a restore takes, and those beyond.
func TestRevisionsHaveABound(t *testing.T) {
	const epoch, most = "0123456789abcdef0123456789abcdef", 1_000_000_000_000
	for _, revision := range []uint64{most + 1, math.MaxUint64 - 1, math.MaxUint64} {
		m := &storetest.Memory{}
		_, err := store.Restore(t.Context(), m, policies(t, 1), store.Lost{Epoch: epoch, Revision: revision}, store.Meta{})
		if err == nil || !strings.Contains(err.Error(), "at most 1000000000000") || len(keys(t, m, "")) != 0 {
			t.Errorf("Restore of revision %d: %v", revision, err)
		}
	}
	m := &storetest.Memory{}
	p, err := store.Restore(t.Context(), m, policies(t, 1), store.Lost{Epoch: epoch, Revision: most}, store.Meta{})
	if err != nil || p.Revision != most+1 {
		t.Errorf("Restore: %+v, %v", p, err)
	}
	if p := push(t, m, policies(t, 2), store.Meta{}); p.Revision != most+2 {
		t.Errorf("pushed revision %d", p.Revision)
	}
	expectContent(t, m, 0, policies(t, 2))
}

// TestAfterTheLastRevisionThereIsNone has stores that somebody wrote.
func TestAfterTheLastRevisionThereIsNone(t *testing.T) {
	const last = 1_000_000_000_000_000
	m := atRevision(t, last)
	expectContent(t, m, 0, policies(t, 1, 1))
	if _, err := store.Push(t.Context(), m, policies(t, 2), store.Meta{}); err == nil || !strings.Contains(err.Error(), "after which there is none") {
		t.Errorf("Push after the last revision: %v", err)
	}
	expectContent(t, m, 0, policies(t, 1, 1))
	_, err := store.Current(t.Context(), atRevision(t, last+1))
	expectCode(t, "beyond the last revision", err, store.CodeTarget)
}

// TestARevisionThatCannotBeIsNotBelieved is about who may write reports alone.
func TestARevisionThatCannotBeIsNotBelieved(t *testing.T) {
	m := &storetest.Memory{}
	put(t, m, "i/now/gw", []byte(`{"v":1,"serves":{"epoch":"0123456789abcdef0123456789abcdef","revision":1000000000001}}`))
	all, err := store.Instances(t.Context(), m)
	if err != nil || len(all) != 1 || all[0].Unreadable == "" || all[0].Serves.Revision != 0 {
		t.Errorf("Instances: %+v, %v", all, err)
	}
}

// atRevision returns a store whose only release has that revision.
func atRevision(t *testing.T, revision uint64) *storetest.Memory {
	t.Helper()
	m := memory(t, 1)
	forge(t, m, func(record map[string]any) { record["rev"] = revision })
	return m
}
