package store_test

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/sourcetest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

func TestALoadOfAReleaseEndsWithItsContext(t *testing.T) {
	m := &storetest.Memory{}
	units, _, err := store.Cut(live.Folder(sourcetest.ManyFiles()), "")
	if err != nil {
		t.Fatal(err)
	}
	push(t, m, units, store.Meta{})
	sourcetest.LoadEnds(t, &store.Source{Backend: m})
}

func TestSource(t *testing.T) {
	storetest.TestSource(t, func(t *testing.T) store.Backend {
		return &store.Folder{Path: t.TempDir(), Poll: 5 * time.Millisecond}
	})
}
