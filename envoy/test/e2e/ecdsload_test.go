package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
)

// loadedHosts is how many hosts the load test sends to: those of several shards.
const loadedHosts = 6

func loadedPolicies(k int) string {
	var b strings.Builder
	b.WriteString("policies:\n")
	for i := range loadedHosts {
		b.WriteString(reloadPolicyOf(k, fmt.Sprint("h-", i)))
	}
	return b.String()
}

// TestDeliveryUnderLoad changes all policies while Envoys follow that have one filter
// or several, by both protocols. No request fails, no answer mixes two sets, and none is
// of an older set than the last that a reload has answered 200 for.
func TestDeliveryUnderLoad(t *testing.T) {
	file, up := filepath.Join(t.TempDir(), policyFile), startUpstream(t)
	corsgatetest.WritePolicies(t, file, loadedPolicies(0))
	p := corsgatetest.Start(t, corsgatetest.Build(t), "--policies", file, "--ecds")
	service := nobody(t, p.GRPC, folderOf(loadedPolicies(0)))
	followers := []*setup{
		follow(t, 1, up, service),
		follow(t, 4, up, service),
		followBy(t, 4, up, service, func(b object) { worldly(b) }),
	}
	for _, s := range followers {
		for i := range loadedHosts {
			s.soonExposes(t, fmt.Sprintf("h-%d.test", i), "x-v0")
		}
	}
	w, done := &window{}, make(chan struct{})
	sent := make([]atomic.Int64, loadedHosts*len(followers))
	var running sync.WaitGroup
	for n := range sent {
		client := "http/1"
		if n%4 == 0 {
			client = "http/2"
		}
		e := loadOf(fmt.Sprint("h-", n/len(followers)), n%2 == 0)
		running.Go(func() { followers[n%len(followers)].load(t, w, e, client, &sent[n], done) })
	}
	for k := 1; k <= reloads || fewestSent(sent) < fewest; k++ {
		w.written.Store(int64(k))
		corsgatetest.WritePolicies(t, file, loadedPolicies(k))
		if status, body := reload(t, p); status != http.StatusOK {
			t.Errorf("version %d: %d %s", k, status, body)
		}
		w.confirmed.Store(int64(k))
		time.Sleep(reloadPause)
	}
	close(done)
	running.Wait()
}
