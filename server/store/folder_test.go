package store_test

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

func TestFolder(t *testing.T) {
	storetest.Test(t, func(t *testing.T) (open func() store.Backend) {
		path := t.TempDir()
		return func() store.Backend { return &store.Folder{Path: path, Poll: 5 * time.Millisecond} }
	})
}

func TestMemory(t *testing.T) {
	storetest.Test(t, func(*testing.T) (open func() store.Backend) {
		m := &storetest.Memory{}
		return func() store.Backend { return m }
	})
}
