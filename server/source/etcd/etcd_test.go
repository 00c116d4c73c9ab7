//go:build unix

package etcd_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/store/storetest"
)

// fleets counts the fleets of a cluster, so that each test has its own.
var fleets atomic.Int64

func newFleet(c *etcdtest.Cluster) string { return c.URL(fmt.Sprintf("fleet-%d", fleets.Add(1))) }

// open opens the store at a URL.
func open(t testing.TB, url string) store.Backend {
	t.Helper()
	b, err := etcd.Open(etcd.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBackend(t *testing.T) {
	c := etcdtest.Start(t, 1)
	storetest.Test(t, func(t *testing.T) func() store.Backend {
		url := newFleet(c)
		return func() store.Backend { return open(t, url) }
	})
}
