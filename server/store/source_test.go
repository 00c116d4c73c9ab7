package store_test

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

func TestSource(t *testing.T) {
	storetest.TestSource(t, func(t *testing.T) store.Backend {
		return &store.Folder{Path: t.TempDir(), Poll: 5 * time.Millisecond}
	})
}
